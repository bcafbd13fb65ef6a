//! `ovsdb-client watch` in a terminal: what other clients change shows, keys do what they should, and the terminal is given
//! back as it was.

use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::Sandbox;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const SCHEMA: &str = r#"{"name":"Shop","version":"1.0.0","tables":{
    "Shelf":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "height":{"type":"integer"},
        "items":{"type":{"key":{"type":"uuid","refTable":"Item"},"min":0,"max":"unlimited"}}}},
    "Item":{"columns":{"name":{"type":"string"},"count":{"type":"integer"}}}}}"#;

const ROWS: &str = r#"["Shop",
    {"op":"insert","table":"Item","uuid-name":"cup","row":{"name":"cup","count":1}},
    {"op":"insert","table":"Item","uuid-name":"pot","row":{"name":"pot","count":2}},
    {"op":"insert","table":"Shelf","row":{"name":"upper","height":20,"items":["set",[["named-uuid","cup"],["named-uuid","pot"]]]}},
    {"op":"insert","table":"Shelf","row":{"name":"lower","height":5}}]"#;

/// How long the screen may take to show something, on a machine that is busy.
const SHOWN_TIME_MAX: Duration = Duration::from_secs(60);

fn served() -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("schema"), SCHEMA).expect("the sandbox is writable");
    let server = serve(&sandbox);
    transact(&sandbox, &server, ROWS);
    (sandbox, server)
}

fn serve(sandbox: &Sandbox) -> Server {
    Server::start(sandbox, Side::Ours, &[("db", &sandbox.path("schema"))])
}

fn transact(sandbox: &Sandbox, server: &Server, operations: &str) {
    let remote = server.remote();
    let reply = sandbox.run_ok(ours("ovsdb-client"), &["transact", &remote, operations]);
    assert!(!reply.contains("\"error\""), "{reply}");
}

/// The program in a terminal.
struct Terminal {
    master: std::fs::File,
    slave: OwnedFd,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    program: Child,
}

impl Terminal {
    fn start(sandbox: &Sandbox, arguments: &[&str], height: u16, width: u16) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("there are pseudo-terminals");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, Mode::empty()).expect("it can be opened");
        tcsetwinsize(&master, size(height, width)).expect("it has a size");
        let end = || slave.try_clone().expect("a descriptor can be duplicated");
        // The terminal is to tell the program of changes of its size.
        let mut command = sandbox.command("setsid");
        command
            .arg("--ctty")
            .arg(ours("ovsdb-client"))
            .args(arguments);
        command.env("TERM", "xterm-256color");
        command.stdin(end()).stdout(end()).stderr(end());
        let program = command.spawn().expect("the program starts");
        let master = std::fs::File::from(master);
        let mut reader = master.try_clone().expect("a descriptor can be duplicated");
        let (sender, output) = channel();
        // It ends with the test.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n) = reader.read(&mut bytes) {
                if n == 0 || sender.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            master,
            slave,
            output,
            screen: vt100::Parser::new(some(height), some(width), 0),
            program,
        }
    }

    /// Waits until the screen is as `is_so` wants it.
    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        while !is_so(self.screen.screen()) {
            match self.output.recv_timeout(SHOWN_TIME_MAX) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("not {what}:\n{}", self.screen.screen().contents()),
            }
        }
    }

    #[track_caller]
    fn until_shown(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the first words of the rows are these, from the top.
    #[track_caller]
    fn until_rows(&mut self, expected: &[&str]) {
        self.until(&format!("{expected:?}"), |screen| {
            let (_, width) = screen.size();
            let lines: Vec<String> = screen.rows(0, width.get()).collect();
            let rows = lines[2..lines.len() - 2].iter();
            let words = rows.filter_map(|line| line.split_whitespace().next());
            words.eq(expected.iter().copied())
        });
    }

    fn type_in(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    fn resize(&mut self, height: u16, width: u16) {
        self.screen.screen_mut().set_size(some(height), some(width));
        tcsetwinsize(&self.master, size(height, width)).expect("it has a size");
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.slave)
            .expect("it is a terminal")
            .local_modes;
        !modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.program.id()).expect("it is a process id");
        kill(Pid::from_raw(pid), signal).expect("the program runs");
    }

    /// Waits for the program's end, after which the terminal is what it was. Answers with how it ended.
    fn end(mut self) -> std::process::ExitStatus {
        let status = self.program.wait().expect("it is our child");
        self.until("the screen of before", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        assert!(!self.is_raw());
        status
    }
}

/// A screen has some lines and columns.
fn some(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("screens are not empty")
}

fn size(height: u16, width: u16) -> Winsize {
    Winsize {
        ws_row: height,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

const RIGHT: &str = "\x1b[C";

#[test]
fn the_screen_follows_other_clients_and_keys() {
    let (sandbox, server) = served();
    let remote = server.remote();
    let mut terminal = Terminal::start(&sandbox, &["watch", &remote, "Shelf"], 12, 110);
    terminal.until_shown("connected to unix:");
    terminal.until_shown("2 rows");
    assert!(terminal.screen.screen().alternate_screen());
    assert!(terminal.is_raw());

    let change = r#"["Shop",{"op":"update","table":"Shelf","where":[["name","==","lower"]],"row":{"height":4711}}]"#;
    transact(&sandbox, &server, change);
    terminal.until_shown("4711");
    // What changed is bright: the cell is bold.
    let screen = terminal.screen.screen();
    let row = (0..12).find(|&row| {
        let line = screen.rows(0, 110).nth(usize::from(row));
        line.is_some_and(|line| line.contains("4711"))
    });
    let row = row.expect("it is shown");
    let column = screen
        .rows(0, 110)
        .nth(usize::from(row))
        .and_then(|line| line.find("4711"));
    let column = u16::try_from(column.expect("it is shown")).expect("the screen is small");
    assert!(screen.cell(row, column).expect("it is there").bold());

    terminal.type_in(RIGHT);
    terminal.type_in("s");
    terminal.until_shown("by height ^");
    terminal.until_rows(&["upper", "lower"]);
    terminal.type_in("s");
    terminal.until_rows(&["lower", "upper"]);

    terminal.type_in("fupp\r");
    terminal.until_shown("1 of 2 rows  filter: upp");
    terminal.until_rows(&["upper"]);

    terminal.type_in(RIGHT);
    terminal.type_in("\r");
    terminal.until_shown("Shop Item  2 rows  items of Shelf upper");
    terminal.until("both items", |screen| {
        let text = screen.contents();
        text.contains("cup") && text.contains("pot")
    });
    let change = r#"["Shop",{"op":"update","table":"Item","where":[["name","==","pot"]],"row":{"count":815}}]"#;
    transact(&sandbox, &server, change);
    terminal.until_shown("815");
    terminal.type_in("b");
    terminal.until_shown("filter: upp");
    terminal.type_in("\x1b");
    terminal.until_rows(&["lower", "upper"]);

    terminal.resize(7, 60);
    terminal.until("the smaller screen", |screen| {
        screen
            .rows(0, 60)
            .nth(6)
            .is_some_and(|line| line.starts_with("q quit"))
    });
    terminal.type_in("q");
    assert!(terminal.end().success());
}

#[test]
fn a_pause_holds_the_rows_back() {
    let (sandbox, server) = served();
    let remote = server.remote();
    let mut terminal = Terminal::start(
        &sandbox,
        &["watch", &remote, "Shelf", "name,height"],
        10,
        80,
    );
    terminal.until_shown("2 rows");
    terminal.type_in("p");
    terminal.until_shown("PAUSED");
    let more = |name: &str| {
        format!(r#"["Shop",{{"op":"insert","table":"Shelf","row":{{"name":"{name}"}}}}]"#)
    };
    transact(&sandbox, &server, &more("third"));
    // Whatever is drawn now is drawn without it.
    terminal.type_in("?");
    terminal.until_shown("any key: back");
    terminal.type_in("x");
    terminal.until_shown("lower");
    assert!(!terminal.screen.screen().contents().contains("third"));
    terminal.type_in("p");
    terminal.until_shown("third");
    terminal.type_in("q");
    assert!(terminal.end().success());
}

#[test]
fn a_lost_connection_is_told_and_made_again() {
    let (sandbox, server) = served();
    let remote = server.remote();
    let mut terminal = Terminal::start(&sandbox, &["watch", &remote, "Shelf"], 10, 110);
    terminal.until_shown("connected to unix:");
    terminal.until_shown("upper");
    server.stop();
    terminal.until_shown("not connected");
    // What was known is still there.
    assert!(terminal.screen.screen().contents().contains("upper"));
    let server = serve(&sandbox);
    terminal.until("connected", |screen| {
        let text = screen.contents();
        text.contains("connected to unix:") && !text.contains("not connected")
    });
    let change = r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"later"}}]"#;
    transact(&sandbox, &server, change);
    terminal.until_shown("later");
    // As Ctrl-C is sent by a terminal that does not interpret it.
    terminal.type_in("\x03");
    assert!(terminal.end().success());
}

#[test]
fn the_terminal_is_given_back_before_a_signal_ends_the_program() {
    use std::os::unix::process::ExitStatusExt;
    let (sandbox, server) = served();
    let remote = server.remote();
    // SIGINT and SIGHUP are left out: whoever runs tests in the background may ignore them, and then the program does.
    for signal in [Signal::SIGTERM, Signal::SIGALRM] {
        let mut terminal = Terminal::start(&sandbox, &["watch", &remote, "Shelf"], 10, 80);
        terminal.until_shown("upper");
        terminal.signal(signal);
        assert_eq!(terminal.end().signal(), Some(signal as i32));
    }
}

#[test]
fn without_terminal_table_or_column_there_is_nothing_to_watch() {
    let (sandbox, server) = served();
    let remote = server.remote();
    let cases: [(&[&str], &str); 4] = [
        (
            &["Shelf"],
            "ovsdb-client: \"watch\" needs a terminal; \"monitor\" prints changes anywhere\n",
        ),
        (
            &["Shelves"],
            "ovsdb-client: SERVER: Shop does not have a table named \"Shelves\"\n",
        ),
        (
            &["Shelf", "name,width"],
            "ovsdb-client: SERVER: table \"Shelf\" in Shop does not have a column named \"width\"\n",
        ),
        (
            &["Shop", "Shelf", "name", "height"],
            "invalid syntax for 'watch' (use --help for help)\n",
        ),
    ];
    for (words, expected) in cases {
        let arguments = [&["watch", &remote], words].concat();
        let output = sandbox.run(ours("ovsdb-client"), &arguments);
        assert_eq!(output.code, Some(1), "{output}");
        let expected = expected.replace("SERVER", &remote);
        assert!(output.stderr.ends_with(&expected), "{output}");
        assert_eq!(output.stdout, "");
    }
}
