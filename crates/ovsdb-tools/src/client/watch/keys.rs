//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::filter::Filter;
use super::page::Page;
use super::state::{Mode, Prompt, State};

/// What a key calls for beside what it changes on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Quit,
}

/// The keys, for people: `KEY` and what it does.
pub(super) const HELP: &[(&str, &str)] = &[
    ("up, down, k, j", "the row before, the next row"),
    (
        "PgUp, PgDn, Home, End",
        "a screen up or down, first row, last row",
    ),
    ("left, right, h, l", "the column before, the next column"),
    (
        "s",
        "sort by the column; again: the other way round; again: not",
    ),
    ("f", "filter: words that all must be found; column=text,"),
    ("", "column!=text and column~text look at one column"),
    ("c", "choose the columns that are shown"),
    ("Enter", "go to the rows that the cell refers to"),
    ("Backspace, b", "go back"),
    ("/, n, N", "search; the next one found, the one before"),
    ("p", "pause; again: go on"),
    ("Esc", "show all rows again"),
    ("q", "quit"),
];

impl State {
    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Effect {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Effect::Quit,
                _ => Effect::Nothing,
            };
        }
        match std::mem::replace(&mut self.mode, Mode::Browse) {
            Mode::Browse => return self.browse(key.code),
            Mode::Prompt(prompt, text) => self.prompt(prompt, text, key.code),
            Mode::Columns(columns, at) => self.choose(columns, at, key.code),
            // Any key ends it.
            Mode::Help => {}
        }
        Effect::Nothing
    }

    fn browse(&mut self, key: KeyCode) -> Effect {
        let page = self.page_mut();
        let (at, screen) = (page.selected, page.height.max(1));
        match key {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Up | KeyCode::Char('k') => page.select(at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => page.select(at + 1),
            KeyCode::PageUp => page.select(at.saturating_sub(screen)),
            KeyCode::PageDown => page.select(at + screen),
            KeyCode::Home => page.select(0),
            KeyCode::End => page.select(usize::MAX),
            KeyCode::Left | KeyCode::Char('h') => page.column = page.column.saturating_sub(1),
            KeyCode::Right | KeyCode::Char('l') => {
                page.column = (page.column + 1).min(page.columns.len().saturating_sub(1));
            }
            KeyCode::Char('s') => sort(page),
            KeyCode::Char('f') => {
                let text = page.filter.text().to_owned();
                self.mode = Mode::Prompt(Prompt::Filter, text);
            }
            KeyCode::Char('/') => self.mode = Mode::Prompt(Prompt::Search, String::new()),
            KeyCode::Char('n') => self.search(true),
            KeyCode::Char('N') => self.search(false),
            KeyCode::Char('c') => self.mode = self.choice(),
            KeyCode::Enter => self.message = self.follow().err(),
            KeyCode::Backspace | KeyCode::Char('b') => {
                let is_first = !self.back();
                self.message = is_first.then(|| "this is the first page".to_owned());
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('?') | KeyCode::F(1) => self.mode = Mode::Help,
            KeyCode::Esc => {
                page.filter = Filter::default();
                page.only = None;
                page.arrange();
            }
            _ => {}
        }
        Effect::Nothing
    }

    fn prompt(&mut self, prompt: Prompt, mut text: String, key: KeyCode) {
        match (key, prompt) {
            (KeyCode::Esc, _) => return,
            (KeyCode::Enter, Prompt::Search) => {
                self.search = text;
                self.search(true);
                return;
            }
            (KeyCode::Enter, Prompt::Filter) => {
                let page = self.set_filter(&text);
                page.arrange();
                return;
            }
            (KeyCode::Char(typed), _) => text.push(typed),
            (KeyCode::Backspace, _) => {
                text.pop();
            }
            _ => {}
        }
        self.mode = Mode::Prompt(prompt, text);
    }

    fn set_filter(&mut self, text: &str) -> &mut Page {
        let name = self.page().table.clone();
        let schema = self.schema();
        let filter = schema
            .table_by_name(&name)
            .map(|(_, table)| Filter::parse(text, table));
        let page = self.page_mut();
        page.filter = filter.unwrap_or_default();
        page
    }

    fn search(&mut self, forward: bool) {
        let text = self.search.clone();
        if text.is_empty() || !self.page_mut().search(&text, forward) {
            self.message = Some(format!("\"{text}\" is not found"));
        }
    }

    /// All columns of the table: those that are shown first, in their order.
    fn choice(&self) -> Mode {
        let page = self.page();
        let shown = page.columns.iter().map(|name| (name.clone(), true));
        let all = Page::new(match self.schema().table_by_name(&page.table) {
            Some((_, table)) => table,
            None => return Mode::Browse,
        });
        let others = all.columns.into_iter();
        let others = others.filter(|name| !page.columns.contains(name));
        let columns = shown.chain(others.map(|name| (name, false)));
        Mode::Columns(columns.collect(), page.column)
    }

    fn choose(&mut self, mut columns: Vec<(String, bool)>, mut at: usize, key: KeyCode) {
        let last = columns.len().saturating_sub(1);
        match key {
            KeyCode::Esc => return,
            KeyCode::Up | KeyCode::Char('k') => at = at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => at = (at + 1).min(last),
            KeyCode::Char(' ') => {
                if let Some((_, shown)) = columns.get_mut(at) {
                    *shown = !*shown;
                }
            }
            // Moves the column to the left or right.
            KeyCode::Char('<') if at > 0 => {
                columns.swap(at, at - 1);
                at -= 1;
            }
            KeyCode::Char('>') if at < last => {
                columns.swap(at, at + 1);
                at += 1;
            }
            KeyCode::Enter => {
                let shown = columns.into_iter().filter(|(_, shown)| *shown);
                let shown: Vec<String> = shown.map(|(name, _)| name).collect();
                if shown.is_empty() {
                    self.message = Some("one column at least is shown".to_owned());
                    return;
                }
                let page = self.page_mut();
                page.columns = shown;
                page.column = page.column.min(page.columns.len() - 1);
                page.left = 0;
                page.arrange();
                return;
            }
            _ => {}
        }
        self.mode = Mode::Columns(columns, at);
    }
}

/// Sorts by the selected column: from low to high, from high to low, not at all.
fn sort(page: &mut Page) {
    let Some(column) = page.selected_column().map(str::to_owned) else {
        return;
    };
    page.sort = match page.sort.take() {
        Some((sorted, false)) if sorted == column => Some((column, true)),
        Some((sorted, true)) if sorted == column => None,
        _ => Some((column, false)),
    };
    page.arrange();
}
