//! Drawing: a title, headings, rows, the selected value in full, and a line of help or what is being typed.
//!
//! Text of the database is shown as data, never obeyed: control characters do not reach the terminal.

use std::time::Instant;

use ovsdb_proto::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use super::keys::HELP;
use super::page::{Highlight, Page};
use super::state::{Connection, Mode, Prompt, State};

/// The widest a column is, and the space between two, in characters of the terminal.
const COLUMN_WIDTH_MAX: usize = 40;
const GAP: usize = 1;

/// Lines that are not rows: title, headings, value, help.
const OTHER_LINES: u16 = 4;

const TITLE: Style = Style::new().add_modifier(Modifier::REVERSED);
const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws `state` as it is at `now`.
pub(super) fn draw(state: &mut State, now: Instant, area: Rect, buffer: &mut Buffer) {
    if area.height < OTHER_LINES || area.width == 0 {
        return;
    }
    title(state, area, buffer);
    let rows = Rect {
        y: area.y + 1,
        height: area.height - 3,
        ..area
    };
    match &state.mode {
        Mode::Help => help(rows, buffer),
        Mode::Columns(columns, at) => choice(columns, *at, rows, buffer),
        Mode::Browse | Mode::Prompt(..) => table(state.page_mut(), now, rows, buffer),
    }
    value(state.page(), area, area.bottom() - 2, buffer);
    last_line(state, area, area.bottom() - 1, buffer);
}

/// Writes one line, cut at the edge of the screen.
fn line(text: &str, style: Style, area: Rect, y: u16, buffer: &mut Buffer) {
    buffer.set_stringn(area.x, y, text, usize::from(area.width), style);
}

fn title(state: &State, area: Rect, buffer: &mut Buffer) {
    let page = state.page();
    let shown = page.rows.len();
    let all = page.n_all();
    let mut parts = vec![format!("{} {}", state.schema().name, page.table)];
    parts.push(if shown == all {
        format!("{all} rows")
    } else {
        format!("{shown} of {all} rows")
    });
    if let Some((what, _)) = &page.only {
        parts.push(what.clone());
    }
    if !page.filter.text().is_empty() {
        parts.push(format!("filter: {}", page.filter.text()));
    }
    if let Some((column, falls)) = &page.sort {
        parts.push(format!("by {column} {}", if *falls { "v" } else { "^" }));
    }
    if state.paused {
        parts.push("PAUSED".to_owned());
    }
    let (connection, style) = match &state.connection {
        Connection::Up(server) => (format!("connected to {server}"), TITLE),
        Connection::Down(None) => ("connecting".to_owned(), TITLE.fg(Color::Yellow)),
        Connection::Down(Some(why)) => (format!("not connected: {why}"), TITLE.fg(Color::Yellow)),
        Connection::Failed(why) => (format!("ended: {why}"), TITLE.fg(Color::Red)),
    };
    buffer.set_style(Rect { height: 1, ..area }, TITLE);
    line(&parts.join("  "), TITLE, area, area.y, buffer);
    // On the right, as far as there is room.
    let used = Span::raw(parts.join("  ")).width() + 2;
    let width = Span::raw(connection.as_str()).width();
    let room = usize::from(area.width).saturating_sub(used);
    let at = usize::from(area.width) - width.min(room);
    let x = area.x + u16::try_from(at).unwrap_or(area.width);
    buffer.set_stringn(x, area.y, connection, width.min(room), style);
}

fn table(page: &mut Page, now: Instant, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height) - 1;
    page.height = height;
    page.top = page.top.min(page.selected);
    page.top = page.top.max((page.selected + 1).saturating_sub(height));
    let Some(shape) = page.shape() else {
        let text = if page.version.is_some() {
            "the server has no such table"
        } else {
            "waiting for rows"
        };
        return line(text, Style::new(), area, area.y + 1, buffer);
    };
    let visible = page.rows.iter().skip(page.top).take(height);
    // By column: the texts of the rows on the screen, and how wide they are.
    let columns: Vec<(usize, Vec<String>)> = page
        .columns
        .iter()
        .map(|name| {
            let id = shape.column_id(name);
            let texts = visible.clone().map(|row| {
                id.map_or_else(String::new, |id| {
                    text::datum_to_string(row.get(id), &shape.column(id).ty)
                })
            });
            let texts: Vec<String> = texts.collect();
            let width = |text: &str| Span::raw(text).width();
            let widest = texts.iter().map(|text| width(text)).max().unwrap_or(0);
            (widest.max(width(name) + 1).min(COLUMN_WIDTH_MAX), texts)
        })
        .collect();
    let left = first_column(page, &columns, usize::from(area.width));
    let mut x = 0;
    for (at, (width, texts)) in columns.iter().enumerate().skip(left) {
        let room = usize::from(area.width).saturating_sub(x);
        if room == 0 {
            break;
        }
        let width = (*width).min(room);
        let column = Rect {
            x: area.x + u16::try_from(x).unwrap_or(area.width),
            width: u16::try_from(width).unwrap_or(area.width),
            ..area
        };
        heading(page, at, column, buffer);
        for (row, text) in texts.iter().enumerate() {
            let y = area.y + 1 + u16::try_from(row).unwrap_or(area.height);
            let style = style(page, page.top + row, at, now);
            let cell = Rect {
                y,
                height: 1,
                ..column
            };
            buffer.set_style(cell, style);
            line(text, style, column, y, buffer);
        }
        x += width + GAP;
    }
    page.left = left;
}

/// The first column on the screen, so that the selected one is there as well.
fn first_column(page: &Page, columns: &[(usize, Vec<String>)], room: usize) -> usize {
    let mut left = page.left.min(page.column);
    let width = |left: usize| {
        let shown = columns.iter().take(page.column + 1).skip(left);
        shown.map(|(width, _)| width + GAP).sum::<usize>()
    };
    while left < page.column && width(left) > room + GAP {
        left += 1;
    }
    left
}

fn heading(page: &Page, column: usize, area: Rect, buffer: &mut Buffer) {
    let name = &page.columns[column];
    let sign = match &page.sort {
        Some((sorted, falls)) if sorted == name => {
            if *falls {
                "v"
            } else {
                "^"
            }
        }
        _ => "",
    };
    let style = if column == page.column {
        HEADING.add_modifier(Modifier::UNDERLINED)
    } else {
        HEADING
    };
    line(&format!("{name}{sign}"), style, area, area.y, buffer);
}

fn style(page: &Page, row: usize, column: usize, now: Instant) -> Style {
    let highlight = page.rows.get(row).map_or(Highlight::None, |found| {
        page.highlight(found, &page.columns[column], now)
    });
    let style = match highlight {
        Highlight::None => Style::new(),
        Highlight::Row => Style::new().fg(Color::Yellow),
        Highlight::Changed => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Highlight::New => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
    };
    match (row == page.selected, column == page.column) {
        (true, true) => style.add_modifier(Modifier::REVERSED | Modifier::UNDERLINED),
        (true, false) => style.add_modifier(Modifier::REVERSED),
        (false, _) => style,
    }
}

/// The selected value in full, as far as a line has room.
fn value(page: &Page, area: Rect, y: u16, buffer: &mut Buffer) {
    let found = || {
        let (row, shape) = (page.selected_row()?, page.shape()?);
        let id = shape.column_id(page.selected_column()?)?;
        let column = shape.column(id);
        let value = text::datum_to_string(row.get(id), &column.ty);
        Some(format!("{}: {value}", column.name))
    };
    line(
        &found().unwrap_or_default(),
        Style::new().fg(Color::Cyan),
        area,
        y,
        buffer,
    );
}

fn last_line(state: &State, area: Rect, y: u16, buffer: &mut Buffer) {
    let (text, style) = match (&state.mode, &state.message) {
        (Mode::Prompt(Prompt::Filter, text), _) => (format!("filter: {text}_"), HEADING),
        (Mode::Prompt(Prompt::Search, text), _) => (format!("/{text}_"), HEADING),
        (Mode::Columns(..), _) => (
            "space: show or not  < >: move  Enter: done  Esc: as it was".to_owned(),
            Style::new(),
        ),
        (Mode::Help, _) => ("any key: back".to_owned(), Style::new()),
        (Mode::Browse, Some(message)) => (message.clone(), Style::new().fg(Color::Yellow)),
        (Mode::Browse, None) => {
            let back = if state.depth() > 0 { "b back  " } else { "" };
            let text = format!(
                "{back}q quit  s sort  f filter  c columns  Enter follow  / search  p pause  ? help"
            );
            (text, Style::new())
        }
    };
    line(&text, style, area, y, buffer);
}

fn help(area: Rect, buffer: &mut Buffer) {
    for (y, (key, text)) in (area.y + 1..area.bottom()).zip(HELP) {
        line(&format!("{key:22} {text}"), Style::new(), area, y, buffer);
    }
}

fn choice(columns: &[(String, bool)], at: usize, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height);
    let top = (at + 1).saturating_sub(height);
    for (y, (row, (name, shown))) in
        (area.y..area.bottom()).zip(columns.iter().enumerate().skip(top))
    {
        let sign = if *shown { "[x]" } else { "[ ]" };
        let style = if row == at { TITLE } else { Style::new() };
        line(&format!("{sign} {name}"), style, area, y, buffer);
    }
}
