//! Clients that mean harm, and how long an honest one waits beside them.
//!
//! Each workload here is one kind of attack. An honest client asks again and again, first while nothing else happens and
//! then while the attack goes on: the two 99th percentiles are compared. Another one asks for the same of another server
//! meanwhile, which nobody attacks: what he waits is due to processors that are busy, whoever it is that is served. How much of the attack there was is measured as
//! well: one that did not take place has failed. Afterwards the server must still have what it had,
//! and must not have used more memory than the attack is allowed to cost. These are run when they are named, since their
//! figures say little about speed.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};
use thread_priority::{Error as PriorityError, ThreadPriority};

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill};
use crate::client::{Client, ClientError};
use crate::probe::{Probe, Probing, Waits};
use crate::rows::{self, DATABASE};
use crate::section::ms;
use crate::server::ServerError;
use crate::socket::Socket;

/// One kind of attack. See the module's documentation.
pub(crate) struct Hostile {
    name: &'static str,
    about: &'static str,
    /// What the honest client asks for. Writes wait for the writes of others by nature, so where the attack consists of
    /// transactions that write much it reads.
    probe: Probe,
    /// The most memory that the server may have used in the end, in MiB.
    memory_max: u64,
    attack: fn(&Attack<'_>) -> Result<(), ClientError>,
}

/// All kinds.
pub(crate) const ATTACKS: [Hostile; 11] = [
    Hostile {
        name: "hostile_connections",
        about: "10,000 connections, half of them in the middle of a message",
        probe: Probe::WriteOften,
        memory_max: 512,
        attack: connections,
    },
    Hostile {
        name: "hostile_deaf",
        about: "100 monitors of everything that never read, while all rows change",
        probe: Probe::ReadOften,
        memory_max: 1024,
        attack: deaf,
    },
    Hostile {
        name: "hostile_unread",
        about: "8 clients that ask for all rows without an end and never read a reply",
        probe: Probe::WriteOften,
        memory_max: 1024,
        attack: unread,
    },
    Hostile {
        name: "hostile_giant",
        about: "2 clients that send messages of more than a gibibyte",
        probe: Probe::WriteOften,
        memory_max: 3 * 1024,
        attack: giant,
    },
    Hostile {
        name: "hostile_nesting",
        about: "2 clients that send nothing but opening brackets",
        probe: Probe::WriteOften,
        memory_max: 512,
        attack: nesting,
    },
    Hostile {
        name: "hostile_costly",
        about: "requests that are short and cost much: many clauses, names, elements, operations and duplicates",
        probe: Probe::ReadOften,
        memory_max: 1024,
        attack: costly,
    },
    Hostile {
        name: "hostile_monitors",
        about: "5 clients with 1,000 monitors and locks each, all of them told of every change",
        probe: Probe::WriteOften,
        memory_max: 1024,
        attack: monitors,
    },
    Hostile {
        name: "hostile_conditions",
        about: "the same, and each of the monitors has a condition of its own, which all rows meet",
        probe: Probe::WriteOften,
        memory_max: 1024,
        attack: conditions,
    },
    Hostile {
        name: "hostile_waits",
        about: "2,000 waiting transactions that wake each other one by one, beside 10,000 that look at the same row",
        probe: Probe::WriteOften,
        memory_max: 512,
        attack: waits,
    },
    Hostile {
        name: "hostile_pipelined",
        about: "4 clients with 256 transactions each that are not answered yet, all of which look at all rows",
        probe: Probe::WriteOften,
        memory_max: 512,
        attack: pipelined,
    },
    Hostile {
        name: "hostile_slow",
        about: "500 clients that send a byte at a time, and read none",
        probe: Probe::WriteOften,
        memory_max: 512,
        attack: slow,
    },
];

/// Rows that are there.
const ROWS: usize = 10_000;

/// Who writes them.
const FILLER: usize = 1;

/// How long either of the two is looked at: so long that a single stall of the machine is less than a hundredth of it.
const SECTION_MS: usize = 6_000;

/// How long the attackers may take to do anything at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the slow ones wait from one byte to the next.
const SLOW_MS: usize = 250;

/// What an attacker knows.
struct Attack<'a> {
    method: &'a str,
    rows: usize,
    bench: &'a Bench,
    /// Set when it begins to tell; the honest client is looked at from then on.
    begun: AtomicBool,
    over: AtomicBool,
    /// How many times the attackers did since then what they do.
    acts: AtomicU64,
}

impl Attack<'_> {
    /// The attackers have done once more what they do. Counts from the beginning on.
    fn act(&self) {
        if self.begun.load(Ordering::Relaxed) {
            self.acts.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// From here on the attack is what it is.
    fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    fn clients(&self, full: usize) -> usize {
        self.bench.size().clients(full)
    }

    /// Paces an attack that would otherwise be one on the processor.
    fn rest(&self) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Workload for Hostile {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "quiet",
                Unit::Milliseconds,
                "99th percentile of the waits of an honest client before the attack",
            ),
            Figure::new("attacked", Unit::Milliseconds, "the same during the attack"),
            Figure::new(
                "elsewhere",
                Unit::Milliseconds,
                "the same during the attack for the client of another server beside it, which is not attacked",
            ),
            Figure::new(
                "acts",
                Unit::PerSecond,
                "what the attackers did meanwhile: transactions, requests, bytes or mebibytes",
            ),
        ];
        FIGURES
    }

    fn is_for_everyday(&self) -> bool {
        false
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let rows = bench.size().of(ROWS);
        fill::items(&mut bench.client()?, FILLER, rows, rows)?;
        let length = Duration::from_millis(bench.size().of(SECTION_MS) as u64);
        let section = bench.section(self.probe)?;
        std::thread::sleep(length);
        let quiet = section.end()?;
        // Where the server was started by somebody else, there is no other.
        let another = match bench.server().start_another() {
            Err(ServerError::NotStartedHere) => None,
            another => Some(another?),
        };
        let attack = Attack {
            method: bench.method(),
            rows,
            bench,
            begun: AtomicBool::new(false),
            over: AtomicBool::new(false),
            acts: AtomicU64::new(0),
        };
        let (attacked, elsewhere, acts) =
            std::thread::scope(|scope| -> Result<_, WorkloadError> {
                let attacker = scope.spawn(|| {
                    stand_back()?;
                    (self.attack)(&attack)
                });
                while !attack.begun.load(Ordering::Acquire) && !attacker.is_finished() {
                    attack.rest();
                }
                let section = bench.section(self.probe);
                let elsewhere = another
                    .as_ref()
                    .map(|another| Probing::start(another.method(), self.probe))
                    .transpose();
                let (before, begin) = (attack.acts.load(Ordering::Relaxed), Instant::now());
                if section.is_ok() && elsewhere.is_ok() {
                    std::thread::sleep(length);
                }
                // Where others keep the processors busy, idle time is rare.
                while attack.acts.load(Ordering::Relaxed) == before
                    && begin.elapsed() < PATIENCE
                    && !attacker.is_finished()
                {
                    attack.rest();
                }
                let acts = attack.acts.load(Ordering::Relaxed) - before;
                let acts = acts as f64 / begin.elapsed().as_secs_f64();
                let effort = section.and_then(|section| section.end());
                let elsewhere = elsewhere.and_then(|probing| probing.map(Probing::end).transpose());
                attack.over.store(true, Ordering::Release);
                attacker.join().map_err(|_| WorkloadError::Thread)??;
                Ok((effort?, elsewhere?.flatten(), acts))
            })?;
        if acts == 0.0 {
            return Err(WorkloadError::NoAttack);
        }

        expect_rows(rows, bench.client()?.count(&["Item"])?)?;
        let bound = self.memory_max << 20;
        if let Some(peak) = attacked.peak_bytes.filter(|peak| *peak > bound) {
            return Err(WorkloadError::Memory { peak, bound });
        }
        let wait = |waits: Option<Waits>| waits.map_or(f64::NAN, |waits| ms(waits.percentile_99));
        for (figure, effort) in [("quiet", quiet), ("attacked", attacked)] {
            bench.record(figure, wait(effort.waits), &effort);
        }
        bench.record("elsewhere", wait(elsewhere), &attacked);
        bench.record("acts", acts, &attacked);
        Ok(())
    }
}

/// Leaves the processors to others. Attackers are elsewhere, as a rule; here they would take from the server and from the
/// honest client what no attack takes from them. So whoever of these two wakes up goes on at once, where with the lowest
/// of the ordinary priorities an attacker would have his slice of time first.
fn stand_back() -> Result<(), ClientError> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let asked = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    // Whoever was started with a low priority may not change that, which means nothing to an idle thread.
    match (thread_schedule_policy(), asked) {
        (Ok(policy), _) if policy == idle => Ok(()),
        (_, Err(PriorityError::OS(number))) => Err(io::Error::from_raw_os_error(number).into()),
        (policy, asked) => Err(io::Error::other(format!("{policy:?}, {asked:?}")).into()),
    }
}

/// A part of a message.
const HALF: &[u8] = b"{\"id\":1,\"method\":\"transact\",\"params\":[\"Ben";

fn connections(attack: &Attack<'_>) -> Result<(), ClientError> {
    let mut sockets = Vec::new();
    for number in 0..attack.clients(10_000) {
        let mut socket = Socket::connect(attack.method)?;
        if number % 2 == 0 {
            socket.write_all(HALF)?;
        }
        sockets.push(socket);
    }
    attack.begin();
    // All stay, and come again one after the other.
    for place in (0..sockets.len()).cycle() {
        if attack.is_over() {
            break;
        }
        sockets[place] = Socket::connect(attack.method)?;
        if place % 2 == 0 {
            sockets[place].write_all(HALF)?;
        }
        attack.act();
        attack.rest();
    }
    Ok(())
}

fn deaf(attack: &Attack<'_>) -> Result<(), ClientError> {
    let mut sockets = Vec::new();
    let monitors = ["monitor", "monitor_cond", "monitor_cond_since"]
        .iter()
        .cycle();
    for (number, method) in (0..attack.clients(100)).zip(monitors) {
        let mut socket = Socket::connect(attack.method)?;
        let since = if *method == "monitor_cond_since" {
            ",\"00000000-0000-0000-0000-000000000000\""
        } else {
            ""
        };
        let request = format!(
            "{{\"id\":1,\"method\":\"{method}\",\"params\":[\"{DATABASE}\",{number},{{\"Item\":{{}}}}{since}]}}"
        );
        socket.write_all(request.as_bytes())?;
        sockets.push(socket);
    }
    attack.begin();
    let mut client = Client::connect(attack.method)?;
    let change = format!(
        "[\"{DATABASE}\",{{\"op\":\"mutate\",\"table\":\"Item\",\"where\":[[\"value\",\">=\",0]],\
         \"mutations\":[[\"value\",\"+=\",1]]}}]"
    );
    while !attack.is_over() {
        client.transact(&change)?;
        attack.act();
        attack.rest();
    }
    Ok(())
}

/// After how many rounds in which the server takes nothing an attacker gives up his connection.
const UNREAD_PATIENCE: usize = 100;

/// One who asks without reading.
struct Unread {
    socket: Socket,
    /// How much of the current request has gone.
    sent: usize,
    /// For how many rounds nothing has gone.
    stuck: usize,
}

impl Unread {
    fn connect(attack: &Attack<'_>) -> Result<Unread, ClientError> {
        Ok(Unread {
            socket: Socket::connect_nonblocking(attack.method)?,
            sent: 0,
            stuck: 0,
        })
    }

    /// Goes on sending the same request again and again, as far as the socket takes it now. Says whether it took anything.
    fn send_some(&mut self, request: &[u8], attack: &Attack<'_>) -> bool {
        let mut has_sent = false;
        while let Ok(count) = self.socket.write(&request[self.sent..]) {
            has_sent = true;
            self.sent += count;
            if self.sent == request.len() {
                self.sent = 0;
                attack.act();
            }
        }
        has_sent
    }
}

fn unread(attack: &Attack<'_>) -> Result<(), ClientError> {
    let request = format!(
        "{{\"id\":1,\"method\":\"transact\",\"params\":[\"{DATABASE}\",\
         {{\"op\":\"select\",\"table\":\"Item\",\"where\":[]}}]}}"
    );
    let attackers = (0..attack.clients(8)).map(|_| Unread::connect(attack));
    let mut attackers = attackers.collect::<Result<Vec<_>, ClientError>>()?;
    attack.begin();
    while !attack.is_over() {
        for attacker in &mut attackers {
            match attacker.send_some(request.as_bytes(), attack) {
                true => attacker.stuck = 0,
                false => attacker.stuck += 1,
            }
            // From one who reads nothing the server takes only so much; he comes again.
            if attacker.stuck > UNREAD_PATIENCE {
                *attacker = Unread::connect(attack)?;
            }
        }
        attack.rest();
    }
    Ok(())
}

fn giant(attack: &Attack<'_>) -> Result<(), ClientError> {
    let block = vec![b'a'; 1 << 20];
    let mut attackers: Vec<Option<Socket>> = (0..attack.clients(2)).map(|_| None).collect();
    attack.begin();
    while !attack.is_over() {
        for attacker in &mut attackers {
            let mut socket = match attacker.take() {
                Some(socket) => socket,
                None => {
                    let mut socket = Socket::connect(attack.method)?;
                    socket.write_all(b"{\"id\":1,\"method\":\"echo\",\"params\":[\"")?;
                    socket
                }
            };
            // Whoever is thrown out comes back.
            if socket.write_all(&block).is_ok() {
                attack.act();
                *attacker = Some(socket);
            }
        }
    }
    Ok(())
}

fn nesting(attack: &Attack<'_>) -> Result<(), ClientError> {
    let bomb = vec![b'['; 1 << 20];
    attack.begin();
    while !attack.is_over() {
        for _ in 0..attack.clients(2) {
            let mut socket = Socket::connect(attack.method)?;
            // The server may close before it has seen all of it.
            let _ = socket.write_all(&bomb);
            let _ = socket.read(&mut [0; 4096]);
            attack.act();
        }
    }
    Ok(())
}

fn costly(attack: &Attack<'_>) -> Result<(), ClientError> {
    let many = |count: usize, one: &dyn Fn(usize) -> String| {
        (0..count).map(one).collect::<Vec<_>>().join(",")
    };
    let clauses = many(2_000, &|n| format!("[\"tags\",\"excludes\",\"no-{n}\"]"));
    let elements = many(20_000, &|n| format!("\"e{}\"", n * 7_919 % 20_000));
    let requests = [
        // Every row against every clause.
        format!(
            "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[{clauses}],\"columns\":[\"value\"]}}"
        ),
        // A set that is sorted, and compared with every row.
        format!(
            "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[[\"tags\",\"includes\",[\"set\",[{elements}]]]],\
             \"columns\":[\"value\"]}}"
        ),
        // Rows to compare with rows.
        format!(
            "{{\"op\":\"wait\",\"table\":\"Item\",\"timeout\":0,\"where\":[],\"columns\":[\"value\"],\"until\":\"==\",\
             \"rows\":[{}]}}",
            many(5_000, &|n| format!("{{\"value\":{n}}}"))
        ),
        // The whole table, again and again.
        many(100, &|_| {
            String::from(
                "{\"op\":\"select\",\"table\":\"Item\",\"where\":[],\"columns\":[\"value\"]}",
            )
        }),
        // A member that is there many times, and names that begin alike.
        format!(
            "{{\"op\":\"comment\",{}}}",
            many(20_000, &|n| format!("\"{}{n}\":{n}", "a".repeat(20)))
        ),
        // The same element many times.
        format!(
            "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[[\"tags\",\"==\",[\"set\",[{}]]]]}}",
            many(20_000, &|_| String::from("\"same\""))
        ),
    ];
    let mut client = Client::connect(attack.method)?;
    attack.begin();
    while !attack.is_over() {
        for request in &requests {
            // Most of them are refused, or time out at once: that they are answered is what counts.
            client.call_raw("transact", &format!("[\"{DATABASE}\",{request}]"))?;
            attack.act();
            if attack.is_over() {
                break;
            }
        }
    }
    Ok(())
}

/// Monitors of each client.
const MONITORS: usize = 1_000;

fn monitors(attack: &Attack<'_>) -> Result<(), ClientError> {
    tell_many(attack, |_| ("monitor", String::new()))
}

fn conditions(attack: &Attack<'_>) -> Result<(), ClientError> {
    // Values are not negative.
    let condition = |number| format!(",\"where\":[[\"value\",\"!=\",-{}]]", number + 1);
    tell_many(attack, |number| ("monitor_cond", condition(number)))
}

/// Has the server tell many monitors of changes, each with the method and the condition that `of` says of its number.
fn tell_many(
    attack: &Attack<'_>,
    of: impl Fn(usize) -> (&'static str, String),
) -> Result<(), ClientError> {
    let mut buffer = vec![0; 1 << 20];
    let mut sockets = Vec::new();
    for client in 0..attack.clients(5) {
        let mut socket = Socket::connect_nonblocking(attack.method)?;
        for number in 0..MONITORS {
            let (method, condition) = of(client * MONITORS + number);
            let requests = format!(
                "{{\"id\":1,\"method\":\"{method}\",\"params\":[\"{DATABASE}\",\"m{number}\",{{\"Item\":{{\
                 \"columns\":[\"value\"],\"select\":{{\"initial\":false}}{condition}}}}}]}}\
                 {{\"id\":2,\"method\":\"lock\",\"params\":[\"lock-{number}\"]}}"
            );
            let mut rest = requests.as_bytes();
            while !rest.is_empty() {
                match socket.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => attack.rest(),
                    Err(error) => return Err(error.into()),
                }
                socket.drain(&mut buffer)?;
            }
        }
        sockets.push(socket);
    }
    attack.begin();
    let mut writer = Client::connect(attack.method)?;
    let mut row = 0;
    while !attack.is_over() {
        // Whoever was thrown out has had his say.
        sockets.retain_mut(|socket| socket.drain(&mut buffer).is_ok());
        row = (row + 1) % attack.rows;
        let name = format!("item-{FILLER}-{row}");
        writer.transact(&format!(
            "[\"{DATABASE}\",{{\"op\":\"mutate\",\"table\":\"Item\",\"where\":[[\"name\",\"==\",\"{name}\"]],\
             \"mutations\":[[\"value\",\"+=\",1]]}}]"
        ))?;
        attack.act();
        attack.rest();
    }
    Ok(())
}

/// Waiting transactions of each client.
const WAITS: usize = 2_000;

/// Above the values that rows have otherwise.
const AWAITED: usize = 1_000_000;

fn waits(attack: &Attack<'_>) -> Result<(), ClientError> {
    let row = format!("\"table\":\"Item\",\"where\":[[\"name\",\"==\",\"item-{FILLER}-0\"]]");
    let wait = |value: &str| {
        format!(
            "{{\"op\":\"wait\",{row},\"columns\":[\"value\"],\"until\":\"==\",\"rows\":[{{\"value\":{value}}}]}}"
        )
    };
    let never = format!("[\"{DATABASE}\",{}]", wait("-1"));
    let mut crowd = Vec::new();
    for _ in 0..attack.clients(5) {
        let mut client = Client::connect(attack.method)?;
        (0..WAITS).for_each(|_| client.queue("transact", &never));
        client.flush()?;
        crowd.push(client);
    }
    let mut waiting = Client::connect(attack.method)?;
    let mut first = AWAITED;
    attack.begin();
    while !attack.is_over() {
        // The one that is woken first is the last of them, so that whoever tries them in order tries all others in vain.
        for value in (first..first + WAITS).rev() {
            let wait = wait(&value.to_string());
            let add = format!("{{\"op\":\"mutate\",{row},\"mutations\":[[\"value\",\"+=\",1]]}}");
            waiting.queue("transact", &format!("[\"{DATABASE}\",{wait},{add}]"));
        }
        let wake = format!("{{\"op\":\"update\",{row},\"row\":{{\"value\":{first}}}}}");
        waiting.queue("transact", &format!("[\"{DATABASE}\",{wake}]"));
        waiting.flush()?;
        for _ in 0..=WAITS {
            if attack.is_over() {
                break;
            }
            waiting.receive_success()?;
            attack.act();
        }
        first += WAITS;
    }
    Ok(())
}

/// Transactions that each client has sent and that have not been answered.
const PIPELINED: usize = 256;

fn pipelined(attack: &Attack<'_>) -> Result<(), ClientError> {
    // No row meets this, and no index can say so.
    let all = "\"table\":\"Item\",\"where\":[[\"tags\",\"excludes\",\"bench\"]]";
    let look = format!("[\"{DATABASE}\",{{\"op\":\"delete\",{all}}}]");
    let mut clients = Vec::new();
    for _ in 0..attack.clients(4) {
        let mut client = Client::connect(attack.method)?;
        (0..PIPELINED).for_each(|_| client.queue("transact", &look));
        client.flush()?;
        clients.push(client);
    }
    attack.begin();
    while !attack.is_over() {
        for client in &mut clients {
            client.receive_success()?;
            attack.act();
            client.queue("transact", &look);
            client.flush()?;
        }
    }
    Ok(())
}

fn slow(attack: &Attack<'_>) -> Result<(), ClientError> {
    let request = format!(
        "{{\"id\":1,\"method\":\"transact\",\"params\":{}}}",
        rows::item(2, 1, false)
    );
    let mut sockets = (0..attack.clients(500))
        .map(|_| Socket::connect_nonblocking(attack.method))
        .collect::<Result<Vec<_>, _>>()?;
    attack.begin();
    // Never the last byte, so that nothing is ever asked.
    for byte in request.as_bytes()[..request.len() - 1].iter().cycle() {
        // Whoever was thrown out stays out.
        sockets.retain_mut(|socket| match socket.write(&[*byte]) {
            Ok(_) => {
                attack.act();
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        for _ in 0..SLOW_MS {
            if attack.is_over() {
                return Ok(());
            }
            attack.rest();
        }
    }
    Ok(())
}
