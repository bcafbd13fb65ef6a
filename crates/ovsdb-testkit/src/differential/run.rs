//! A whole run: batches of generated transactions, a full comparison after each, and a report on failure.

use std::fmt;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::dice::Dice;
pub use super::pair::FILE;
use super::pair::{Pair, Transaction};
use super::pairing::End;
use super::report::{Course, Difference, Tally};
use super::values::{Draft, FEW};
use super::{parked, reproduce};
use crate::programs::Side;
use crate::sandbox::Sandbox;

/// Names how many operations a full run sends over all schemas.
pub const OPERATIONS: &str = "OVSDB_DIFF_OPERATIONS";

/// Names the seed of a run.
pub const SEED: &str = "OVSDB_DIFF_SEED";

/// Operations of a full run if nothing else is said.
const OPERATIONS_DEFAULT: usize = 100_000;

/// Transactions sent without waiting in between. Both databases are compared in full after each batch, so a
/// bigger one is quicker, and says less about where contents went apart.
const BATCH: usize = 40;

/// Percent of the batches whose transactions wait for each other, so that every update of a monitor can be told
/// apart.
const ONE_BY_ONE: u32 = 30;

/// What is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The schema of the databases.
    pub schema: PathBuf,
    /// Operations to send, at least.
    pub operations: usize,
    /// Determines all choices.
    pub seed: u64,
    /// The servers.
    pub sides: [Side; 2],
    /// About how many elements sets and maps have at most.
    pub bulk: usize,
    /// More arguments for the left server.
    pub left_arguments: Vec<&'static str>,
}

impl Settings {
    /// A run over `schema` with its share, in percent, of the operations, which the environment may set.
    ///
    /// # Panics
    /// If the environment holds something that is no number.
    pub fn from_environment(schema: &Path, percent: usize) -> Settings {
        let number = |name| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            Some(
                text.parse()
                    .unwrap_or_else(|_| panic!("{name}={text} is no number")),
            )
        };
        let operations = number(OPERATIONS).map_or(OPERATIONS_DEFAULT, |number| {
            usize::try_from(number).expect("the machine can count so far")
        });
        Settings {
            schema: schema.to_owned(),
            operations: operations * percent / 100,
            seed: number(SEED).unwrap_or(1),
            sides: Side::BOTH,
            bulk: FEW,
            left_arguments: Vec::new(),
        }
    }
}

/// A difference with all that is needed to look at it.
#[derive(Debug)]
pub struct Failure {
    settings: Settings,
    batch: usize,
    difference: Difference,
    transaction: Option<String>,
    reproduction: reproduce::Reproduction,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            schema,
            seed,
            operations,
            ..
        } = &self.settings;
        writeln!(f, "{}", self.difference)?;
        writeln!(
            f,
            "in batch {} of {} with {SEED}={seed}, {operations} operations",
            self.batch,
            schema.display()
        )?;
        if let Some(transaction) = &self.transaction {
            writeln!(f, "transaction: {transaction}")?;
        }
        write!(f, "{}", self.reproduction)
    }
}

/// Runs until enough operations have been sent.
///
/// # Errors
/// The first unexplained difference.
pub fn run(settings: &Settings) -> Result<Tally, Box<Failure>> {
    play(settings).map(|pair| pair.tally)
}

/// Like [`run`]; ends both servers and leaves their files, which are called [`FILE`].
///
/// # Errors
/// The first unexplained difference.
pub fn files(settings: &Settings) -> Result<[Sandbox; 2], Box<Failure>> {
    play(settings).map(Pair::stop)
}

fn play(settings: &Settings) -> Result<Pair, Box<Failure>> {
    let mut dice = Dice::new(settings.seed);
    let mut pair = Pair::start(settings);
    let mut contents = Contents::default();
    let mut batch = 0;
    while pair.tally.operations < settings.operations {
        batch += 1;
        let transactions: Vec<Transaction> = (0..BATCH)
            .map(|_| compose(&mut pair, &contents, &mut dice, settings.bulk))
            .collect();
        let failure = |pair: &Pair, contents: &Contents, difference: Difference| {
            let transaction = difference.transaction.and_then(|at| transactions.get(at));
            Box::new(Failure {
                settings: settings.clone(),
                batch,
                transaction: transaction
                    .map(|operations| reproduce::show(&pair.pairing, operations, End::Left)),
                reproduction: reproduce::reproduce(
                    settings,
                    pair,
                    contents,
                    &transactions,
                    &difference,
                ),
                difference,
            })
        };
        let one_by_one = dice.chance(ONE_BY_ONE);
        let compared =
            exchange(&mut pair, &transactions, one_by_one).and_then(|course| match course {
                Course::Same => pair.dump().map(Some),
                Course::Spoilt => Ok(None),
            });
        match compared {
            Err(difference) => return Err(failure(&pair, &contents, difference)),
            Ok(None) => {
                pair = renew(settings, pair, &contents)
                    .map_err(|refused| failure(&refused.0, &contents, refused.1))?;
                continue;
            }
            Ok(Some(now)) => contents = now,
        }
        if dice.chance(10)
            && let Err(difference) = pair.look(&mut dice)
        {
            return Err(failure(&pair, &contents, difference));
        }
        if dice.chance(20) {
            match parked::run(&mut pair, &contents, &mut dice) {
                Err(difference) => return Err(failure(&pair, &contents, difference)),
                Ok(Course::Same) => {}
                Ok(Course::Spoilt) => unreachable!("they delete nothing"),
            }
        }
    }
    Ok(pair)
}

fn exchange(
    pair: &mut Pair,
    transactions: &[Transaction],
    one_by_one: bool,
) -> Result<Course, Difference> {
    if !one_by_one {
        return pair.exchange(transactions);
    }
    for (position, transaction) in transactions.iter().enumerate() {
        let compared = pair.exchange(std::slice::from_ref(transaction));
        let course = compared.map_err(|difference| Difference {
            transaction: Some(position),
            ..difference
        })?;
        if course == Course::Spoilt {
            return Ok(Course::Spoilt);
        }
    }
    Ok(Course::Same)
}

/// A fresh pair with the contents of an old one.
fn renew(
    settings: &Settings,
    old: Pair,
    contents: &Contents,
) -> Result<Pair, Box<(Pair, Difference)>> {
    let mut pair = Pair::start(settings);
    pair.pairing = old.pairing.of_one(End::Left);
    match pair.exchange(&[reproduce::load(contents)]) {
        Ok(_) => {
            // What was only loaded does not count.
            pair.tally = old.tally;
            Ok(pair)
        }
        Err(difference) => Err(Box::new((pair, difference))),
    }
}

fn compose(pair: &mut Pair, contents: &Contents, dice: &mut Dice, bulk: usize) -> Transaction {
    let Pair { model, pairing, .. } = pair;
    let mut draft = Draft {
        dice,
        model,
        contents,
        pairing,
        names: Vec::new(),
        operations: Vec::new(),
        bulk,
    };
    draft.compose();
    draft.operations
}
