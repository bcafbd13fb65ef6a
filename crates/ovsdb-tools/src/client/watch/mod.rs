//! `watch`: a table on the whole screen, which changes as it does in the database.
//!
//! [`State`] is what is shown and what keys do to it; `view` draws it; `screen` owns the terminal. This module brings keys,
//! rows and the state of the connection together, and draws at most [`FRAMES_PER_S`] times a second.

mod filter;
mod keys;
mod page;
mod screen;
mod state;
mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ovsdb_client::replica::{Interest, Limits, Replica, Watcher};
use ovsdb_client::{Client, Status};
use ovsdb_proto::schema::{Schema, Selection};
use ratatui::crossterm::event::{Event, KeyEventKind};

use super::error::ClientError;
use keys::Effect;
use page::Page;
use screen::Screen;
use state::{Connection, State};

/// How often the screen is drawn at most.
const FRAMES_PER_S: u32 = 20;

/// Why `watch` fails, beside what every command fails by.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no screen to draw on, or nobody to press keys.
    #[error("\"watch\" needs a terminal; \"monitor\" prints changes anywhere")]
    NoTerminal,
    /// The terminal does not do what it should.
    #[error("terminal: {0}")]
    Terminal(#[source] std::io::Error),
}

/// The table to begin with.
pub(crate) struct Watched<'a> {
    /// The connection methods, as on the command line.
    pub(crate) remotes: &'a str,
    pub(crate) database: &'a str,
    pub(crate) schema: Schema,
    pub(crate) leader_only: bool,
    pub(crate) table: &'a str,
    /// The columns to show, apart by commas; `None`: all.
    pub(crate) columns: Option<&'a str>,
}

pub(crate) async fn run(watched: Watched<'_>) -> Result<(), ClientError> {
    let Watched {
        remotes,
        database,
        schema,
        leader_only,
        table,
        columns,
    } = watched;
    let columns = columns.map(|columns| columns.split(','));
    let page = first_page(remotes, &schema, table, columns)?;
    let client = Client::builder(remotes)
        .database(database)
        .leader_only(leader_only)
        .start()
        .map_err(|reason| ClientError::Unreachable {
            server: remotes.to_owned(),
            reason,
        })?;
    let state = State::new(Arc::new(schema), page);
    let mut screen = Screen::enter()?;
    let ended = show(&client, database, state, &mut screen).await;
    screen.leave();
    ended
}

fn first_page<'c>(
    server: &str,
    schema: &Schema,
    table: &str,
    columns: Option<impl Iterator<Item = &'c str>>,
) -> Result<Page, ClientError> {
    let Some((_, shape)) = schema.table_by_name(table) else {
        return Err(ClientError::MonitorTable {
            server: server.to_owned(),
            database: schema.name.to_string(),
            table: table.to_owned(),
        });
    };
    let mut page = Page::new(shape);
    if let Some(columns) = columns {
        let known = columns.map(|name| match shape.column_id(name) {
            Some(_) => Ok(name.to_owned()),
            None => Err(ClientError::MonitorColumn {
                server: server.to_owned(),
                database: schema.name.to_string(),
                table: table.to_owned(),
                column: name.to_owned(),
            }),
        });
        page.columns = known.collect::<Result<_, _>>()?;
    }
    Ok(page)
}

/// A table that is or was on the screen.
struct Followed {
    replica: Replica,
    watcher: Watcher,
}

async fn show(
    client: &Client,
    database: &str,
    mut state: State,
    screen: &mut Screen,
) -> Result<(), ClientError> {
    let mut tables: HashMap<String, Followed> = HashMap::new();
    let mut connection = client.status();
    state.connection = Connection::of(&connection.borrow_and_update());
    let mut next_frame = Instant::now();
    let mut stale = true;
    loop {
        let table = state.page().table.clone();
        let followed = tables
            .entry(table.clone())
            .or_insert_with(|| follow(client, database, &table));
        if let ovsdb_client::replica::Status::Failed(trouble) = followed.replica.status() {
            state.connection = Connection::Failed(trouble.to_string());
        }
        let now = Instant::now();
        if stale && now >= next_frame {
            screen.draw(&mut state, now)?;
            stale = false;
            next_frame = now + Duration::from_secs(1) / FRAMES_PER_S;
        }
        // What has been highlighted long enough is drawn again without.
        let wake = if stale {
            Some(next_frame)
        } else {
            state.page().next_expiry(now)
        };
        tokio::select! {
            event = screen.event() => match event? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    match state.key(key) {
                        Effect::Nothing => {}
                        Effect::Quit => return Ok(()),
                    }
                    stale = true;
                }
                _ => stale = true,
            },
            changes = followed.watcher.next(), if !state.paused && !state.connection.is_final() => {
                match changes {
                    Ok(changes) => state.page_mut().update(&changes, Instant::now()),
                    Err(reason) => state.connection = Connection::Failed(reason.to_string()),
                }
                stale = true;
            }
            changed = connection.changed() => {
                state.connection = match changed {
                    Ok(()) => Connection::of(&connection.borrow_and_update()),
                    Err(_) => Connection::of(&Status::Closed),
                };
                stale = true;
            }
            () = sleep_until(wake) => stale = true,
        }
    }
}

/// All columns of the table are followed, whichever are shown: which those are changes.
fn follow(client: &Client, database: &str, table: &str) -> Followed {
    let selection = Selection::new().table(table);
    let replica = Replica::start(client.attach(), database, selection, Limits::default());
    let watcher = replica.watch_all(Interest::all());
    Followed { replica, watcher }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
