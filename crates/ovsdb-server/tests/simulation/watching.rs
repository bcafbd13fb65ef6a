//! What a client knows of the database by one of its monitors, held against what the database has been.

use std::rc::Rc;

use ovsdb_testkit::monitored::{Contents, Monitor, Replica, Updates};
use serde_json::Value as Json;

use crate::chronicle::{Chronicle, Index};

/// By which method a monitor was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Plain,
    Cond,
    Since,
}

impl Protocol {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Protocol::Plain => "monitor",
            Protocol::Cond => "monitor_cond",
            Protocol::Since => "monitor_cond_since",
        }
    }

    pub(crate) fn update(self) -> &'static str {
        match self {
            Protocol::Plain => "update",
            Protocol::Cond => "update2",
            Protocol::Since => "update3",
        }
    }
}

/// What a client knew when it went away.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) asked: Monitor,
    pub(crate) replica: Replica,
    pub(crate) told: String,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Watching {
    pub(crate) id: Json,
    pub(crate) protocol: Protocol,
    pub(crate) asked: Monitor,
    /// The conditions that it is about to have, and what it is called then.
    pub(crate) change: Option<(Monitor, Json)>,
    pub(crate) replica: Replica,
    /// The version that the replica was last known to show.
    pub(crate) index: Index,
    /// Its id, if the client is told ids.
    pub(crate) told: String,
    /// Whether the replica is what the conditions admit of the version that `told` names.
    is_of_told: bool,
}

impl Watching {
    /// A monitor that begins with `initial`, the reply to its request.
    pub(crate) fn begin(
        id: Json,
        protocol: Protocol,
        asked: Monitor,
        memory: Option<Memory>,
        initial: &Json,
        chronicle: &Chronicle,
        floor: Index,
    ) -> Watching {
        let mut watching = Watching {
            id,
            protocol,
            asked,
            change: None,
            replica: Replica::default(),
            index: floor,
            told: String::new(),
            is_of_told: true,
        };
        let mut updates = initial;
        if protocol == Protocol::Since {
            updates = &initial[2];
            watching.told = initial[1].as_str().expect("an id").to_owned();
            if initial[0] == true {
                let memory = memory.expect("nobody finds what he did not name");
                watching.replica = memory.replica;
            }
        }
        watching
            .replica
            .apply(&watching.asked, &Updates::from_json(updates));
        watching.place(chronicle, false);
        watching
    }

    /// Takes in an update; `told` is the version's id, if there is one.
    pub(crate) fn hear(&mut self, told: Option<&Json>, updates: &Json, chronicle: &Chronicle) {
        if let Some(told) = told {
            self.told = told.as_str().expect("an id").to_owned();
        }
        self.replica
            .apply(&self.asked, &Updates::from_json(updates));
        let changes = self.change.is_some();
        self.place(chronicle, changes);
    }

    /// Finds the version that the replica shows. With `either`, it may show what the coming conditions admit.
    fn place(&mut self, chronicle: &Chronicle, either: bool) {
        let coming = self.change.as_ref().map(|(asked, _)| asked);
        let coming = coming.filter(|_| either);
        let fits = |contents: &Rc<Contents>| {
            let shows = |asked: &Monitor| self.replica == Replica::shown(asked, contents);
            shows(&self.asked) || coming.is_some_and(shows)
        };
        if self.protocol == Protocol::Since {
            let index = chronicle.called(&self.told);
            assert!(index >= self.index, "{} goes back", self.id);
            let contents = chronicle.contents(index);
            assert!(
                fits(&contents),
                "monitor {} at {} shows {:#?}, not {:#?}",
                self.id,
                self.told,
                self.replica,
                Replica::shown(&self.asked, &contents)
            );
            self.index = index;
            self.is_of_told = self.shows(&contents);
            return;
        }
        let found = (self.index..=chronicle.now()).find(|&index| fits(&chronicle.contents(index)));
        self.index = found.unwrap_or_else(|| {
            panic!(
                "monitor {} shows what never was since version {}: {:#?}",
                self.id, self.index, self.replica
            )
        });
    }

    /// The new conditions count.
    pub(crate) fn changed(&mut self, chronicle: &Chronicle) {
        let (asked, id) = self.change.take().expect("the client has asked for it");
        (self.asked, self.id) = (asked, id);
        self.place_from(chronicle, self.index);
        if self.protocol == Protocol::Since {
            let told = chronicle.called(&self.told);
            self.is_of_told = self.shows(&chronicle.contents(told));
        }
    }

    fn shows(&self, contents: &Contents) -> bool {
        self.replica == Replica::shown(&self.asked, contents)
    }

    /// Asserts that everything up to a version has been told.
    pub(crate) fn place_from(&mut self, chronicle: &Chronicle, floor: Index) {
        if self.change.is_some() {
            // Nobody knows which conditions count.
            return;
        }
        let from = floor.max(self.index);
        let shows =
            |index: Index| self.replica == Replica::shown(&self.asked, &chronicle.contents(index));
        let found = (from..=chronicle.now()).find(|&index| shows(index));
        let found = found.unwrap_or_else(|| {
            panic!(
                "monitor {} has not been told of version {from}: {:#?}",
                self.id, self.replica
            )
        });
        if self.protocol != Protocol::Since {
            self.index = found;
        }
    }

    /// What is left of it when the connection is lost; `None` if the client does not know what it knows.
    ///
    /// New conditions count from a version on whose id the client is only told if they add or take away a row (ovsdb-server(7),
    /// section 4.1.13: "an update, if any"). If they do not, the last id told stands for an older version, of which the new
    /// conditions may admit rows that the client never had and that were gone when the conditions came to count. Whoever
    /// named that id with the new conditions would say that he has these rows, and be told that they are gone.
    pub(crate) fn memory(self) -> Option<Memory> {
        let is_certain =
            self.protocol == Protocol::Since && self.change.is_none() && self.is_of_told;
        is_certain.then_some(Memory {
            asked: self.asked,
            replica: self.replica,
            told: self.told,
        })
    }
}
