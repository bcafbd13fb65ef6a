//! Rows of a database over HTTP, in plain JSON: what is read comes from a replica, what is written goes as transactions.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /` | the database and its tables |
//! | `GET /TABLE?COLUMN=VALUE` | the rows of a table, or those with this value; `_limit` and `_after=UUID` for pages |
//! | `GET /TABLE/UUID` | a row |
//! | `POST /TABLE` | makes a row of the columns in the body |
//! | `POST /TABLE/UUID/COLUMN` | makes a row to which that column of a row refers from then on |
//! | `PATCH /TABLE/UUID` | changes the columns in the body |
//! | `DELETE /TABLE/UUID` | deletes a row |
//! | `DELETE /TABLE/UUID/COLUMN/UUID` | has a row refer to another one no longer |
//!
//! A set is an array, an optional value is that or `null`, a map is an object, a UUID a string. In a body an object in the place of a
//! UUID makes another row. All that a request does it does in one transaction, and who has its answer reads it.
//!
//! `cargo run -p ovsdb --example rest_bridge -- unix:/run/openvswitch/db.sock Open_vSwitch 127.0.0.1:8080`

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ovsdb::atom::AtomType;
use ovsdb::error::ErrorTag;
use ovsdb::json::Object;
use ovsdb::replica::{Replica, RowView, TableView, Version};
use ovsdb::schema::{Selection, TableSchema};
use ovsdb::symbols::Symbols;
use ovsdb::txn::{CommitError, EditError, Policy, Refusal, RowName, Txn, UpdateError};
use ovsdb::types::{BaseType, ColumnType};
use ovsdb::{Atom, Client, Datum, Json, Term, Uuid, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Connections at the same time. Who comes then waits.
const CONNECTIONS_MAX: usize = 64;
/// The longest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The time that a request may take, its body and the transaction included, and that a client may be silent before one.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request waits for a connection to the server.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// Rows in one answer, and without `_limit`.
const ROWS_MAX: usize = 1_000;

type Answer = Response<Full<Bytes>>;

/// What is wrong with a request, or with what became of it.
#[derive(Debug)]
struct Failure(StatusCode, String);

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let status = match &error {
            EditError::NoTable(_) | EditError::NoRow(_) => StatusCode::NOT_FOUND,
            EditError::Known(_) | EditError::Unreferenced(_) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Failure(status, error.to_string())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let text = error.to_string();
        let status = match error {
            CommitError::Invalid(error) => return error.into(),
            CommitError::Refused(Refusal::Refused { error, .. }) => match error.tag() {
                Some(ErrorTag::ConstraintViolation | ErrorTag::ReferentialIntegrityViolation) => {
                    StatusCode::CONFLICT
                }
                Some(ErrorTag::PermissionError | ErrorTag::NotAllowed) => StatusCode::FORBIDDEN,
                Some(ErrorTag::ResourcesExhausted) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            },
            CommitError::Refused(Refusal::Conflict(_) | Refusal::NotLocked(_)) => {
                StatusCode::CONFLICT
            }
            CommitError::NotSent | CommitError::Unmonitored(_) | CommitError::Closed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            CommitError::Deadline => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        Failure(status, text)
    }
}

impl From<UpdateError<Failure>> for Failure {
    fn from(error: UpdateError<Failure>) -> Self {
        match error {
            UpdateError::Change(failure) => failure,
            UpdateError::Commit(error) => error.into(),
            _ => Failure(StatusCode::BAD_GATEWAY, "it was not done".to_owned()),
        }
    }
}

fn bad(text: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, text.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, database, address] = arguments.as_slice() else {
        return Err("usage: rest_bridge SERVER DATABASE IP:PORT".into());
    };
    let client = Client::builder(server).database(database).start()?;
    let replica = client.replica(database, Selection::all());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await?;
        let (stream, _) = listener.accept().await?;
        let replica = replica.clone();
        tokio::spawn(async move {
            serve(stream, replica).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, replica: Replica) {
    let service = service_fn(|request| {
        let replica = replica.clone();
        async move {
            let deadline = Instant::now() + REQUEST_TIME_MAX;
            let answer = tokio::time::timeout_at(deadline, answer(request, &replica, deadline));
            let late = || Failure(StatusCode::GATEWAY_TIMEOUT, "it took too long".to_owned());
            let answer = answer.await.unwrap_or_else(|_| Err(late()));
            let answer = answer.unwrap_or_else(|Failure(status, text)| {
                let text = Object::from_iter([("error", Json::string(text))]);
                of_json(status, &Json::Object(text))
            });
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX);
    // A client that breaks its connection off has nobody else to tell.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn of_json(status: StatusCode, json: &Json) -> Answer {
    let mut answer = Response::new(Full::from(json.to_bytes()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

async fn answer(
    request: Request<Incoming>,
    replica: &Replica,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    let parts = head.uri.path().split('/').filter(|part| !part.is_empty());
    let parts: Vec<&str> = parts.collect();
    let policy = Policy::until(deadline);
    // What is read, and what is written stands on, is what the server has now.
    let live = replica.live(Some(Instant::now() + CONNECT_TIME_MAX)).await;
    let contents =
        live.map_err(|error| Failure(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    match (&head.method, parts.as_slice()) {
        (&Method::GET, []) => Ok(of_json(StatusCode::OK, &overview(&contents))),
        (&Method::GET, [table]) => {
            let rows = rows(
                known(&contents, table)?,
                head.uri.query().unwrap_or_default(),
            )?;
            Ok(of_json(StatusCode::OK, &rows))
        }
        (&Method::GET, [table, id]) => {
            let row = known(&contents, table)?.row(uuid(id)?);
            let row = row.ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("no row {id}")))?;
            Ok(of_json(StatusCode::OK, &plain_row(row)))
        }
        (&Method::POST, [table]) => {
            let columns = columns(body).await?;
            let table = known(&contents, table)?.name();
            let change = replica.update(policy, |txn| make(txn, table, &columns));
            let (row, committed) = change.await?;
            created(&row, committed.uuid(&row))
        }
        (&Method::POST, [table, id, column]) => {
            let columns = columns(body).await?;
            let schema = known(&contents, table)?.schema();
            let target = type_of(schema, column)?.key.reference();
            let (target, _) = target.ok_or_else(|| bad(format!("{column} refers to nothing")))?;
            let change = replica.update(policy, |txn| {
                let parent = txn.row(table, uuid(id)?)?;
                let row = make(txn, target, &columns)?;
                txn.insert_element(&parent, column, &row)?;
                Ok(row)
            });
            let (row, committed) = change.await?;
            created(&row, committed.uuid(&row))
        }
        (&Method::PATCH, [table, id]) => {
            let columns = columns(body).await?;
            let change = replica.update(policy, |txn| {
                let row = txn.row(table, uuid(id)?)?;
                txn.verify_exists(&row)?;
                fill(txn, &row, &columns)
            });
            change.await?;
            done()
        }
        (&Method::DELETE, [table, id]) => {
            if !known(&contents, table)?.schema().is_root {
                let text = format!("a row of {table} goes when nothing refers to it");
                return Err(Failure(StatusCode::CONFLICT, text));
            }
            let change = replica.update(policy, |txn| {
                let row = txn.row(table, uuid(id)?)?;
                Ok::<_, Failure>(txn.delete(&row)?)
            });
            change.await?;
            done()
        }
        (&Method::DELETE, [table, id, column, child]) => {
            let change = replica.update(policy, |txn| {
                let row = txn.row(table, uuid(id)?)?;
                Ok::<_, Failure>(txn.remove_element(&row, column, uuid(child)?)?)
            });
            change.await?;
            done()
        }
        _ => Err(Failure(
            StatusCode::METHOD_NOT_ALLOWED,
            "nothing can be done so".to_owned(),
        )),
    }
}

fn done() -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

fn created(row: &RowName, uuid: Option<Uuid>) -> Result<Answer, Failure> {
    let uuid = uuid.ok_or_else(|| {
        let text = "the row was made, and only the server knows its UUID";
        Failure(StatusCode::BAD_GATEWAY, text.to_owned())
    })?;
    let body = Object::from_iter([("_uuid", Json::string(uuid.to_string()))]);
    let mut answer = of_json(StatusCode::CREATED, &Json::Object(body));
    let place = format!("/{}/{uuid}", row.table());
    let place = HeaderValue::try_from(place).map_err(|error| bad(error.to_string()))?;
    answer.headers_mut().insert(LOCATION, place);
    Ok(answer)
}

fn known<'a>(contents: &'a Version, table: &str) -> Result<TableView<'a>, Failure> {
    let found = contents.table_named(table);
    found.ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("there is no table {table}")))
}

fn type_of<'a>(schema: &'a TableSchema, column: &str) -> Result<&'a ColumnType, Failure> {
    let found = schema.column_id(column);
    let found = found.ok_or_else(|| bad(format!("there is no column {column}")))?;
    Ok(&schema.column(found).ty)
}

fn uuid(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse(text).ok_or_else(|| bad(format!("{text} is no UUID")))
}

/// What the body says, by columns.
async fn columns(body: Incoming) -> Result<Object, Failure> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => Failure(StatusCode::PAYLOAD_TOO_LARGE, "too long".to_owned()),
        false => bad(error.to_string()),
    })?;
    match json::parse(&body.to_bytes()) {
        Ok(Json::Object(columns)) => Ok(columns),
        Ok(other) => Err(bad(format!(
            "an object is wanted, no {}",
            other.type_name()
        ))),
        Err(error) => Err(bad(error.to_string())),
    }
}

fn overview(contents: &Version) -> Json {
    let schema = contents.schema();
    let version = schema.version.as_ref().map(ToString::to_string);
    let tables = schema.tables.iter().map(|table| Json::string(&*table.name));
    Json::Object(Object::from_iter([
        ("database", Json::string(&*schema.name)),
        ("version", version.map_or(Json::Null, Json::string)),
        ("tables", Json::Array(tables.collect())),
    ]))
}

/// The rows that a query asks for, and after which of them there are more.
fn rows(table: TableView<'_>, query: &str) -> Result<Json, Failure> {
    let (mut limit, mut after, mut wanted) = (ROWS_MAX, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value)?;
        match name {
            "_limit" => {
                let number: usize = value.parse().map_err(|_| bad("_limit is no number"))?;
                limit = number.clamp(1, ROWS_MAX);
            }
            "_after" => after = Some(uuid(&value)?),
            _ => {
                let ty = type_of(table.schema(), name)?;
                wanted.push((name, Value::One(key_term(&value, &ty.key)?)));
            }
        }
    }
    let wanted = wanted.iter().map(|(name, value)| {
        let ty = type_of(table.schema(), name)?;
        let datum = value
            .to_datum(ty, &mut Symbols::none())
            .map_err(|error| bad(error.to_string()))?;
        Ok((*name, datum))
    });
    let wanted = wanted.collect::<Result<Vec<_>, Failure>>()?;
    let found = table.iter().filter(|row| {
        after.is_none_or(|after| row.uuid() > after)
            && wanted
                .iter()
                .all(|(name, value)| row.datum(name) == Some(value))
    });
    let mut found: Vec<RowView<'_>> = found.take(limit + 1).collect();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|row| row.uuid());
    let next = last.map_or(Json::Null, |uuid| Json::string(uuid.to_string()));
    let found = found.into_iter().map(plain_row);
    let rows = Json::Array(found.collect());
    Ok(Json::Object(Object::from_iter([
        ("rows", rows),
        ("next", next),
    ])))
}

fn percent_decoded(text: &str) -> Result<String, Failure> {
    let mut pieces = text.split('%');
    let mut bytes: Vec<u8> = pieces.next().unwrap_or_default().into();
    for piece in pieces {
        let code = piece
            .get(..2)
            // A sign is no digit.
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.ok_or_else(|| bad("a % without two digits"))?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|error| bad(error.to_string()))
}

fn plain_row(row: RowView<'_>) -> Json {
    let schema = row.table().schema();
    let mut columns = Object::new();
    columns.insert("_uuid", Json::string(row.uuid().to_string()));
    for column in schema.own_columns() {
        if let Some(datum) = row.datum(&column.name) {
            columns.insert(&*column.name, plain(datum, &column.ty));
        }
    }
    Json::Object(columns)
}

fn plain(datum: &Datum, ty: &ColumnType) -> Json {
    let first = || datum.first().map_or(Json::Null, plain_atom);
    if ty.is_map() {
        let pairs = datum.iter().map(|(key, value)| {
            let key = match plain_atom(key) {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            (key, value.map_or(Json::Null, plain_atom))
        });
        Json::Object(Object::from_iter(pairs))
    } else if ty.is_scalar() || ty.is_optional_scalar() {
        first()
    } else {
        Json::Array(datum.keys().map(plain_atom).collect())
    }
}

fn plain_atom(atom: &Atom) -> Json {
    match atom {
        Atom::Uuid(uuid) => Json::string(uuid.to_string()),
        other => other.to_json(),
    }
}

/// Makes a row in a transaction.
fn make(txn: &mut Txn, table: &str, columns: &Object) -> Result<RowName, Failure> {
    let row = txn.insert(table)?;
    fill(txn, &row, columns)?;
    Ok(row)
}

/// Gives columns of a row the values that a body has for them.
fn fill(txn: &mut Txn, row: &RowName, columns: &Object) -> Result<(), Failure> {
    let base = txn.base().clone();
    let schema = known(&base, row.table())?.schema();
    for (column, json) in columns.iter() {
        let value = value(txn, json, type_of(schema, column)?)?;
        txn.set(row, column, value)?;
    }
    Ok(())
}

fn value(txn: &mut Txn, json: &Json, ty: &ColumnType) -> Result<Value, Failure> {
    match (json, &ty.value) {
        (Json::Object(pairs), Some(of_value)) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| Ok((key_term(key, &ty.key)?, term(txn, value, of_value)?)));
            Ok(Value::map(pairs.collect::<Result<Vec<_>, Failure>>()?))
        }
        (_, Some(_)) => Err(bad(format!("{json} is no object"))),
        (Json::Null, None) => Ok(Value::empty()),
        (Json::Array(elements), None) => {
            let elements = elements.iter().map(|element| term(txn, element, &ty.key));
            Ok(Value::set(elements.collect::<Result<Vec<_>, Failure>>()?))
        }
        (_, None) => Ok(Value::One(term(txn, json, &ty.key)?)),
    }
}

/// An element; an object that stands for a reference makes the row.
fn term(txn: &mut Txn, json: &Json, base: &BaseType) -> Result<Term, Failure> {
    match (json, base.kind, base.reference()) {
        (Json::Object(columns), AtomType::Uuid, Some((table, _))) => {
            let row = make(txn, table, columns)?;
            Ok(Term::from(&row))
        }
        (Json::String(text), AtomType::Uuid, _) => Ok(uuid(text)?.into()),
        _ => Term::from_json(json).map_err(|error| bad(error.to_string())),
    }
}

/// What a text stands for that is the key of an object or a part of a query.
fn key_term(text: &str, base: &BaseType) -> Result<Term, Failure> {
    let json = match base.kind {
        AtomType::Uuid => return Ok(uuid(text)?.into()),
        AtomType::String => Json::string(text),
        // The protocol's JSON is an object or an array.
        _ => match json::parse(format!("[{text}]").as_bytes()) {
            Ok(Json::Array(mut elements)) if elements.len() == 1 => elements.remove(0),
            _ => return Err(bad(format!("{text} is no value of this type"))),
        },
    };
    Term::from_json(&json).map_err(|error| bad(error.to_string()))
}
