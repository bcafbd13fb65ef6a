//! What is on the screen after keys and changes, without a terminal.

use ovsdb_client::replica::{Changes, Version};
use ovsdb_proto::json;
use ovsdb_proto::schema::Projection;
use ovsdb_proto::updates::{Form, UpdatesReader};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::page::HIGHLIGHT_TIME;
use super::*;

const SCHEMA: &str = r#"{"name":"Shop","tables":{
    "Shelf":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "height":{"type":"integer"},
        "items":{"type":{"key":{"type":"uuid","refTable":"Item"},"min":0,"max":"unlimited"}}}},
    "Item":{"columns":{"name":{"type":"string"},"count":{"type":"integer"}}}}}"#;

/// A screen of 60 by 10 characters, and the rows behind it.
struct Bench {
    state: State,
    projection: Arc<Projection>,
    versions: Vec<Arc<Version>>,
    terminal: Terminal<TestBackend>,
    now: Instant,
}

fn uuid(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

impl Bench {
    fn new() -> Bench {
        let json = json::parse(SCHEMA.as_bytes()).expect("it is JSON");
        let schema = Schema::from_json(&json).expect("it is a schema");
        let projection = Arc::new(schema.project(&Selection::all()));
        let page = first_page("server", &schema, "Shelf", None::<std::iter::Empty<&str>>)
            .expect("the table is there");
        let empty = Arc::new(Version::empty(Arc::clone(&projection)));
        let backend = TestBackend::new(60, 10);
        let mut bench = Bench {
            state: State::new(Arc::new(schema), page),
            projection,
            versions: vec![empty],
            terminal: Terminal::new(backend).expect("it is there"),
            now: Instant::now(),
        };
        let (one, two, three) = (uuid(1), uuid(2), uuid(3));
        let (cup, pot) = (uuid(11), uuid(12));
        bench.update(&format!(
            r#"{{"Shelf":{{
                "{one}":{{"initial":{{"name":"upper","height":20,"items":["set",[["uuid","{cup}"],["uuid","{pot}"]]]}}}},
                "{two}":{{"initial":{{"name":"lower","height":5,"items":["uuid","{pot}"]}}}},
                "{three}":{{"initial":{{"name":"none"}}}}}},
              "Item":{{
                "{cup}":{{"initial":{{"name":"cup","count":1}}}},
                "{pot}":{{"initial":{{"name":"pot","count":2}}}},
                "{}":{{"initial":{{"name":"pan","count":3}}}}}}}}"#,
            uuid(13)
        ));
        bench
    }

    /// What the server tells, for all pages.
    fn update(&mut self, text: &str) {
        let mut reader = UpdatesReader::new(Arc::clone(&self.projection.schema));
        let update = reader.read(Form::Updates2, text.as_bytes()).expect(text);
        let last = Arc::clone(self.versions.last().expect("there is one"));
        let next = Arc::new(last.updated(update).expect(text));
        self.versions.push(next);
        self.tell();
    }

    /// Tells the page on the screen of the newest rows.
    fn tell(&mut self) {
        let newest = Arc::clone(self.versions.last().expect("there is one"));
        let seen = self.state.page().version.clone();
        let seen = seen.unwrap_or_else(|| Arc::clone(&self.versions[0]));
        let changes = Changes::between(seen, newest);
        self.state.page_mut().update(&changes, self.now);
    }

    fn key(&mut self, code: KeyCode) -> Effect {
        self.state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn keys(&mut self, text: &str) {
        for c in text.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '<' => KeyCode::Left,
                '>' => KeyCode::Right,
                c => KeyCode::Char(c),
            };
            assert_eq!(self.key(code), Effect::Nothing, "{c:?}");
        }
    }

    fn draw(&mut self) {
        let (state, now) = (&mut self.state, self.now);
        let drawn = self
            .terminal
            .draw(|frame| view::draw(state, now, frame.area(), frame.buffer_mut()));
        drawn.expect("it can be drawn");
    }

    fn lines(&mut self) -> Vec<String> {
        self.draw();
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let cells: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
        let lines = cells
            .chunks(width)
            .map(|line| line.concat().trim_end().to_owned());
        lines.collect()
    }

    /// The names on the screen, from the top.
    fn names(&mut self) -> Vec<String> {
        let lines = self.lines();
        let rows = lines[2..lines.len() - 2]
            .iter()
            .filter(|line| !line.is_empty());
        let first = rows.map(|line| {
            line.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        first.collect()
    }

    /// The style of the first character of `text`, which is on the screen.
    fn style(&mut self, text: &str) -> (Color, Modifier) {
        let lines = self.lines();
        let found = lines.iter().enumerate().skip(2);
        let found = found
            .filter_map(|(y, line)| Some((line.find(text)?, y)))
            .next();
        let (x, y) = found.unwrap_or_else(|| panic!("{text} is not there: {lines:#?}"));
        let cell = &self.terminal.backend().buffer()[(x as u16, y as u16)];
        (cell.fg, cell.modifier)
    }
}

#[test]
fn the_screen_shows_title_headings_rows_value_and_help() {
    let mut bench = Bench::new();
    bench.state.connection = Connection::Up("unix:x".into());
    let lines = bench.lines();
    let expected = [
        "Shop Shelf  3 rows                       connected to unix:x",
        "name  height  items",
        "upper 20      [00000000-0000-0000-0000-000000000011, 0000000",
        "lower 5       [00000000-0000-0000-0000-000000000012]",
        "none  0       []",
        "",
        "",
        "",
        "name: upper",
        "q quit  s sort  f filter  c columns  Enter follow  / search",
    ];
    let cut: Vec<String> = lines
        .iter()
        .map(|line| {
            line.chars()
                .take(54)
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect();
    for (found, expected) in cut.iter().zip(expected) {
        let expected: String = expected.chars().take(54).collect();
        assert_eq!(found, expected.trim_end(), "{lines:#?}");
    }
}

#[test]
fn rows_are_sorted_up_and_down_and_not() {
    let mut bench = Bench::new();
    bench.keys(">s");
    assert_eq!(bench.names(), ["none", "lower", "upper"]);
    assert!(bench.lines()[0].contains("by height ^"));
    bench.keys("s");
    assert_eq!(bench.names(), ["upper", "lower", "none"]);
    bench.keys("s");
    assert_eq!(bench.names(), ["upper", "lower", "none"]);
    assert!(!bench.lines()[0].contains("by height"));
    // A row keeps its place by what it is now.
    bench.keys("s");
    bench.update(&format!(
        r#"{{"Shelf":{{"{}":{{"modify":{{"height":1}}}}}}}}"#,
        uuid(1)
    ));
    assert_eq!(bench.names(), ["none", "upper", "lower"]);
}

#[test]
fn a_filter_hides_rows_until_it_is_lifted() {
    let cases: &[(&str, &[&str])] = &[
        ("up", &["upper"]),
        ("UP", &["upper"]),
        ("height=5", &["lower"]),
        ("height!=5", &["upper", "none"]),
        ("name~er height!=5", &["upper"]),
        ("items~0012", &["upper", "lower"]),
        ("nowhere=5", &[]),
        ("", &["upper", "lower", "none"]),
    ];
    for (filter, expected) in cases {
        let mut bench = Bench::new();
        bench.keys(&format!("f{filter}\n"));
        assert_eq!(bench.names(), *expected, "{filter}");
        bench.key(KeyCode::Esc);
        assert_eq!(bench.names().len(), 3, "{filter}");
    }
    let mut bench = Bench::new();
    bench.keys("fupp");
    assert_eq!(bench.lines()[9], "filter: upp_");
    bench.key(KeyCode::Esc);
    assert_eq!(bench.names().len(), 3);
}

#[test]
fn the_selected_row_stays_selected_when_others_come_and_go() {
    let mut bench = Bench::new();
    bench.keys("js>");
    let selected = |bench: &Bench| {
        bench
            .state
            .page()
            .selected_row()
            .map(|row| row.uuid().to_string())
    };
    assert_eq!(selected(&bench), Some(uuid(2)));
    bench.update(&format!(
        r#"{{"Shelf":{{"{}":{{"insert":{{"name":"a"}}}},"{}":{{"delete":null}}}}}}"#,
        uuid(4),
        uuid(1)
    ));
    assert_eq!(selected(&bench), Some(uuid(2)));
    bench.update(&format!(
        r#"{{"Shelf":{{"{}":{{"delete":null}}}}}}"#,
        uuid(2)
    ));
    assert_eq!(bench.names(), ["a", "none"]);
    assert_eq!(selected(&bench), Some(uuid(3)));
}

#[test]
fn a_reference_leads_to_its_rows_and_back() {
    let mut bench = Bench::new();
    bench.keys("\n");
    assert_eq!(bench.lines()[9], "name refers to no rows");
    bench.keys(">>\n");
    bench.tell();
    assert_eq!(bench.state.page().table, "Item");
    assert_eq!(bench.names(), ["cup", "pot"]);
    assert!(bench.lines()[0].starts_with("Shop Item  2 of 3 rows  items of Shelf upper"));
    bench.key(KeyCode::Esc);
    assert_eq!(bench.names(), ["cup", "pot", "pan"]);
    bench.keys("b");
    assert_eq!(bench.state.page().table, "Shelf");
    bench.keys("b");
    assert_eq!(bench.lines()[9], "this is the first page");
}

#[test]
fn columns_are_chosen_and_moved() {
    let mut bench = Bench::new();
    bench.keys("c");
    assert_eq!(
        bench.lines()[1..5],
        ["[x] name", "[x] height", "[x] items", "[x] _uuid"]
    );
    // Without name; height behind items.
    bench.keys(" j");
    bench.key(KeyCode::Char('>'));
    bench.keys("\n");
    assert_eq!(bench.state.page().columns, ["items", "height", "_uuid"]);
    bench.keys("c");
    bench.key(KeyCode::Esc);
    assert_eq!(bench.state.page().columns, ["items", "height", "_uuid"]);
    bench.keys("c j j \n");
    assert_eq!(bench.lines()[9], "one column at least is shown");
}

#[test]
fn what_is_looked_for_is_found_in_both_directions_and_around_the_end() {
    let mut bench = Bench::new();
    let selected = |bench: &Bench| bench.state.page().selected;
    bench.keys("/er\n");
    assert_eq!(selected(&bench), 1);
    bench.keys("n");
    assert_eq!(selected(&bench), 0);
    bench.keys("N");
    assert_eq!(selected(&bench), 1);
    bench.keys("/zebra\n");
    assert_eq!(bench.lines()[9], "\"zebra\" is not found");
    assert_eq!(selected(&bench), 1);
}

#[test]
fn what_changed_is_highlighted_for_a_while() {
    let mut bench = Bench::new();
    let plain = (Color::Reset, Modifier::empty());
    assert_eq!(bench.style("lower"), plain);
    bench.update(&format!(
        r#"{{"Shelf":{{"{}":{{"modify":{{"height":77}}}},"{}":{{"insert":{{"name":"fresh"}}}}}}}}"#,
        uuid(2),
        uuid(4)
    ));
    assert_eq!(bench.style("77"), (Color::Yellow, Modifier::BOLD));
    assert_eq!(bench.style("lower"), (Color::Yellow, Modifier::empty()));
    assert_eq!(bench.style("fresh"), (Color::Green, Modifier::BOLD));
    assert_eq!(bench.style("none"), plain);
    assert_eq!(
        bench.state.page().next_expiry(bench.now),
        Some(bench.now + HIGHLIGHT_TIME)
    );
    bench.now += HIGHLIGHT_TIME;
    assert_eq!(bench.style("77"), plain);
    assert_eq!(bench.style("fresh"), plain);
    assert_eq!(bench.state.page().next_expiry(bench.now), None);
}

#[test]
fn wide_tables_scroll_so_that_the_selected_column_is_there() {
    let mut bench = Bench::new();
    assert!(bench.lines()[2].starts_with("upper"));
    bench.keys(">>>");
    assert_eq!(bench.lines()[2], uuid(1));
    bench.keys("<<<");
    assert!(bench.lines()[1].starts_with("name"));
}

#[test]
fn long_tables_scroll_so_that_the_selected_row_is_there() {
    let mut bench = Bench::new();
    let rows: Vec<String> = (100..200)
        .map(|n| format!(r#""{}":{{"insert":{{"name":"row{n}"}}}}"#, uuid(n)))
        .collect();
    bench.update(&format!(r#"{{"Shelf":{{{}}}}}"#, rows.join(",")));
    bench.lines();
    bench.key(KeyCode::End);
    assert_eq!(bench.names().last().map(String::as_str), Some("row199"));
    bench.key(KeyCode::PageUp);
    bench.lines();
    assert_eq!(bench.state.page().selected, 102 - 6);
    bench.key(KeyCode::Home);
    assert_eq!(bench.names()[0], "upper");
    // A screen that has shrunk shows the selected row as well, and one that is hardly there shows nothing.
    bench.key(KeyCode::End);
    for height in [5, 4, 3, 1] {
        bench.terminal.backend_mut().resize(20, height);
        bench.draw();
    }
    bench.terminal.backend_mut().resize(20, 5);
    assert!(
        bench.lines()[2].starts_with("row199"),
        "{:#?}",
        bench.lines()
    );
}

#[test]
fn control_characters_of_the_database_do_not_reach_the_terminal() {
    let mut bench = Bench::new();
    bench.update(&format!(
        r#"{{"Shelf":{{"{}":{{"insert":{{"name":"a\u001b[2J\u009b2J\nb"}}}}}}}}"#,
        uuid(9)
    ));
    bench.draw();
    let buffer = bench.terminal.backend().buffer();
    let has_control = |cell: &ratatui::buffer::Cell| cell.symbol().chars().any(char::is_control);
    assert!(!buffer.content.iter().any(has_control), "{buffer:?}");
}

#[test]
fn the_connection_and_the_pause_are_told() {
    let mut bench = Bench::new();
    bench.state.connection = Connection::Down(Some("End of file".into()));
    assert!(bench.lines()[0].ends_with("not connected: End of file"));
    bench.keys("p");
    assert!(bench.lines()[0].contains("PAUSED"));
    bench.keys("?");
    assert!(bench.lines()[2].starts_with("up, down, k, j"));
    bench.keys("x");
    assert_eq!(bench.key(KeyCode::Char('q')), Effect::Quit);
}
