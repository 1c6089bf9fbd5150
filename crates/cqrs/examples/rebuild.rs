//! A wrong view is rebuilt while a reader uses it: `cargo run -p parkade-cqrs --example rebuild`.

use std::time::Duration;

use cqrs::generation::Generations as _;
use cqrs::live::Live;
use cqrs::memory::MemoryGenerations;
use cqrs::rebuild::{self, RebuildSource, SourceError, SourcePage, SourceRow};
use cqrs::view::{Reader as _, Row, Versioned, View as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many times a lamp was switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lamp {
    switched: u64,
}

impl Row for Lamp {}

/// Forty lamps; the view has wrong rows of some.
struct House;

const LAMPS: u64 = 40;
const PAGE: u64 = 8;

impl RebuildSource<Lamp> for House {
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<Lamp>, SourceError> {
        let begin = after.and_then(|it| it.parse().ok()).map_or(0, |last: u64| last + 1);
        // The duration of a read.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut rows = Vec::new();
        for number in begin..LAMPS.min(begin + PAGE) {
            let id = number.to_string();
            rows.push((id.clone(), self.load(&id).await?));
        }
        let next = rows.last().filter(|_| begin + PAGE < LAMPS).map(|(id, _)| id.clone());
        Ok(SourcePage { rows, next })
    }

    async fn load(&self, id: &str) -> Result<SourceRow<Lamp>, SourceError> {
        let switched = id.parse().unwrap_or(0);
        Ok(SourceRow::Row(Versioned { version: 1, row: Lamp { switched } }))
    }
}

#[expect(clippy::disallowed_methods, reason = "a program has no other clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is what it is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let views = MemoryGenerations::default();
    for number in 0..LAMPS {
        let wrong = Lamp { switched: if number % 10 == 0 { 999 } else { number } };
        views.generation(1).upsert_if_newer(&number.to_string(), 1, &wrong).await?;
    }
    let query = Live::new(views.clone(), now);
    println!("lamp 10 as it is shown: {:?}", query.get("10").await?);

    rebuild::begin(&views, now()).await?;
    let work = rebuild::work(&views, &House, "example", now);
    let watch = async {
        loop {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let progress = rebuild::progress(&views, now()).await?;
            println!("{:?}: {:?}", progress.status, progress.counts);
            if progress.rebuild.is_none() {
                return Ok::<_, cqrs::view::ViewError>(());
            }
        }
    };
    let (worked, watched) = tokio::join!(work, watch);
    worked?;
    watched?;

    // A reader looks up the live generation once a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("lamp 10 after the rebuild: {:?}", query.get("10").await?);
    Ok(())
}
