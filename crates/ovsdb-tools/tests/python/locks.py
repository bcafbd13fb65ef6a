"""Locks of several IDLs: waiting, handing over, stealing, and transactions that need a lock."""

from harness import Raw, Replica, ask, fill, tell

fill(("north", ["alpha"]))
TABLES = {"Host": ["name", "cores"]}


def replica(lock="the_lock"):
    one = Replica(TABLES)
    one.set_lock(lock)
    one.connected()
    return one.until("an answer", lambda: one.has_lock or one.is_lock_contended)


def tell_states(*replicas):
    tell(*[("has" if one.has_lock else "wants" if one.is_lock_contended else "-") for one in replicas])


def add(one):
    """Adds one to a number that all have seen; tells how that ended."""
    one.until("what the others wrote", lambda: one.row("Host", "alpha").cores == cores[-1])

    def change(transaction):
        row = one.row("Host", "alpha")
        row.verify("cores")
        row.cores += 1

    status = one.commit(change)
    tell(status)
    if status == "success":
        cores.append(cores[-1] + 1)


cores = [4]
first, second, third = replica(), replica(), replica()
elsewhere = replica("another_lock")
tell_states(first, second, third, elsewhere)

# Only the owner of the lock can write.
add(first)
add(second)
add(elsewhere)

# The owner goes: the one that has waited longest is next.
first.close()
second.until("the lock", lambda: second.has_lock)
third.run()
tell_states(second, third)
add(second)

# The owner gives it back.
second.set_lock(None)
third.until("the lock", lambda: third.has_lock)
tell_states(third)

# Somebody steals it; the owner is told, and has it again when the thief is gone.
thief = Raw()
tell(thief.call("steal", "the_lock"))
third.until("stolen", lambda: not third.has_lock)
tell_states(third)
add(third)
tell(thief.call("unlock", "the_lock"))
third.until("the lock", lambda: third.has_lock)
tell(thief.call("lock", "the_lock"))
thief.close()

# After a lost connection the lock is asked for again. Two replicas: one of them has it.
fourth = replica()
tell_states(third, fourth)
third.disconnect()
fourth.until("the lock", lambda: fourth.has_lock)
third.connected()
third.until("an answer", lambda: third.is_lock_contended)
tell_states(third, fourth)
before = {one: one.connection() for one in (third, fourth)}
ask("restart")
for one in (third, fourth):
    one.until("a new connection", lambda: one.connection() != before[one])
    one.until("an answer", lambda: one.monitoring() and one.has_lock != one.is_lock_contended)
tell(sorted([third.has_lock, fourth.has_lock]))
holder = third if third.has_lock else fourth
add(holder)
