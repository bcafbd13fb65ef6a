//! The terminal: taken over at the beginning, and given back as it was however the program ends.

use std::io::{self, IsTerminal, Stdout, Write};
use std::time::Instant;

use ovsdb_daemon::{signals, vlog};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::{cursor, execute, terminal};
use tokio::sync::mpsc;

use super::state::State;
use super::{Failure, view};

/// Keys that may wait; a terminal that sends more waits itself.
const EVENTS_MAX: usize = 256;

/// The screen, and the keys that are pressed.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    events: mpsc::Receiver<io::Result<Event>>,
    is_entered: bool,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn enter() -> Result<Screen, Failure> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Failure::NoTerminal);
        }
        // Lines of the log would stand anywhere on the screen; files and the system have them.
        vlog::set_level(None, Some(vlog::Destination::Console), vlog::Level::Off)
            .expect("all modules are there");
        // The ends that are not by way of `leave`.
        signals::on_fatal(restore);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        terminal::enable_raw_mode().map_err(Failure::Terminal)?;
        let (keys, events) = mpsc::channel(EVENTS_MAX);
        let screen = Screen {
            terminal: Terminal::new(CrosstermBackend::new(io::stdout()))
                .map_err(Failure::Terminal)?,
            events,
            is_entered: true,
        };
        // Cleared here, for `Terminal::clear` asks where the cursor is, which not every terminal answers.
        execute!(
            io::stdout(),
            terminal::EnterAlternateScreen,
            terminal::Clear(terminal::ClearType::All),
            cursor::Hide
        )
        .map_err(Failure::Terminal)?;
        // It ends with the process: reading cannot be broken off.
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                loop {
                    let event = event::read();
                    let is_last = event.is_err();
                    if keys.blocking_send(event).is_err() || is_last {
                        return;
                    }
                }
            })
            .map_err(Failure::Terminal)?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, state: &mut State, now: Instant) -> Result<(), Failure> {
        let drawn = self
            .terminal
            .draw(|frame| view::draw(state, now, frame.area(), frame.buffer_mut()));
        drawn.map(drop).map_err(Failure::Terminal)
    }

    /// The next key or change of size. Safe to cancel.
    pub(super) async fn event(&mut self) -> Result<Event, Failure> {
        match self.events.recv().await {
            Some(event) => event.map_err(Failure::Terminal),
            None => Err(Failure::Terminal(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.is_entered) {
            restore();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Gives the terminal back. One that takes nothing any more is past help.
fn restore() {
    let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
    let _ = terminal::disable_raw_mode();
    let _ = io::stdout().flush();
}
