//! Dead-letter messages: shown, redriven, discarded; and events republished.

use std::str::FromStr;
use std::time::Duration;

use bff::compose::Composition;
use bff::invoke::Invoke;
use bff::{Answer, Problem};
use futures::future::try_join_all;
use outbox::republish::{Republish, Selection};
use service_error::ServiceError;
use tokio::time::timeout;

use super::Errand;
use crate::queues::{LetterShown, Queues, Watched};
use crate::shape::{DeadLettersShown, Discard, Discarded, Redriven, Republished, WishToRepublish};

/// One queue that is slow must not keep an operator from the letters of all others.
pub(super) const QUEUE_LIMIT: Duration = Duration::from_secs(4);

/// `GET /operator/dead-letters`.
pub(super) async fn letters(
    errand: &Errand<'_, impl Invoke>,
    queues: &impl Queues,
    watched: &[Watched],
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let composition = Composition::partial(errand.deadline);
    let items = all(queues, watched, &composition).await?;
    let troubles = composition.report().troubles();
    Ok(Answer::json(200, &DeadLettersShown { items, troubles }).timed(&composition))
}

/// The letters of every queue that can be looked at; the composition names the others.
pub(super) async fn all(
    queues: &impl Queues,
    watched: &[Watched],
    composition: &Composition,
) -> Result<Vec<LetterShown>, ServiceError> {
    let looks = watched.iter().map(async |queue| {
        let found = queues.letters(queue);
        let found = composition.optional_within(queue.name.clone(), QUEUE_LIMIT, found).await?;
        Ok::<_, ServiceError>((queue, found))
    });
    let mut items = Vec::new();
    for (queue, found) in try_join_all(looks).await? {
        let found = found.into_value().into_iter().flatten();
        items.extend(found.map(|it| LetterShown::new(queue, it)));
    }
    Ok(items)
}

/// `POST /operator/dead-letters/{queue}/redrive`.
pub(super) async fn redrive(
    errand: &Errand<'_, impl Invoke>,
    queues: &impl Queues,
    watched: &[Watched],
) -> Result<Answer, Problem> {
    let name: String = errand.request.path("queue")?;
    errand.request.query(&[])?;
    errand.request.no_body()?;
    let messages = move_back(queues, watched, &name).await?;
    Ok(Answer::json(202, &Redriven { queue: name, messages }))
}

/// Begins to move the letters of a queue back to it; answers about how many there are.
pub(super) async fn move_back(
    queues: &impl Queues,
    watched: &[Watched],
    name: &str,
) -> Result<u64, Problem> {
    Ok(within_limit(queues.redrive(named(watched, name)?)).await?)
}

/// `POST /operator/dead-letters/{queue}/discard`.
pub(super) async fn discard(
    errand: &Errand<'_, impl Invoke>,
    queues: &impl Queues,
    watched: &[Watched],
) -> Result<Answer, Problem> {
    let name: String = errand.request.path("queue")?;
    errand.request.query(&[])?;
    let discard: Discard = errand.request.body()?;
    let by = errand.request.caller()?.subject;
    delete(queues, watched, &name, &discard, &by).await?;
    Ok(Answer::json(200, &Discarded { queue: name, message_id: discard.message_id }))
}

/// Deletes one dead-letter message. The log has it from then on: who has deleted it, when, why, and what was in it.
pub(super) async fn delete(
    queues: &impl Queues,
    watched: &[Watched],
    name: &str,
    discard: &Discard,
    by: &str,
) -> Result<(), Problem> {
    let queue = named(watched, name)?;
    if !discard.has_id() {
        return Err(Problem::validation("messageId is not the id of a message"));
    }
    if !discard.has_reason() {
        return Err(Problem::validation(format!(
            "reason must be 1 to {} characters, and not only blanks",
            Discard::REASON_LENGTH_MAX
        )));
    }
    let Discard { message_id, reason } = discard;
    // Before it as well: a process that crashes in between leaves at least who has asked for it.
    tracing::info!(queue = name, message_id, by, reason, "dead-letter message is to be discarded");
    let found = within_limit(queues.discard(queue, message_id)).await?;
    let found = found.map(|it| LetterShown::new(queue, it)).ok_or_else(|| {
        Problem::not_found(
            "there is no such dead-letter message, or another operator is looking at it",
        )
    })?;
    let (failure, body, redrives) = (&found.reason, &found.body, found.redrives);
    tracing::warn!(
        queue = name,
        message_id,
        by,
        reason,
        failure,
        redrives,
        body,
        "dead-letter message discarded"
    );
    Ok(())
}

/// A service that publishes.
#[derive(Clone, Copy)]
enum Publisher {
    Booking,
    Parking,
    Billing,
}

impl FromStr for Publisher {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "booking" => Ok(Self::Booking),
            "parking" => Ok(Self::Parking),
            "billing" => Ok(Self::Billing),
            _ => Err(()),
        }
    }
}

/// `POST /operator/services/{service}/republish`.
pub(super) async fn republish(
    errand: &Errand<'_, impl Invoke>,
    queues: &impl Queues,
    watched: &[Watched],
) -> Result<Answer, Problem> {
    let publisher: Publisher = errand.request.path("service")?;
    errand.request.query(&[])?;
    let republish = match errand.request.body()? {
        WishToRepublish { aggregate: Some(aggregate), from: None, until: None } => {
            if !(1..=100).contains(&aggregate.len()) {
                return Err(Problem::validation("aggregate must be 1 to 100 characters"));
            }
            Selection::Aggregate { aggregate }
        }
        WishToRepublish { aggregate: None, from: Some(from), until: Some(until) } => {
            if from >= until {
                return Err(Problem::validation("from must be before until"));
            }
            Selection::TimeRange { from, until, after: None }
        }
        WishToRepublish { .. } => {
            return Err(Problem::validation("wanted: either aggregate, or from and until"));
        }
    };
    let (service, queue) = match publisher {
        Publisher::Booking => ("booking", "booking-publish"),
        Publisher::Parking => ("parking", "parking-publish"),
        Publisher::Billing => ("billing", "billing-publish"),
    };
    let wish = serde_json::to_string(&Republish { republish }).map_err(ServiceError::permanent)?;
    within_limit(queues.send(named(watched, queue)?, wish)).await?;
    Ok(Answer::json(202, &Republished { service }))
}

async fn within_limit<T>(
    call: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    let answer = timeout(QUEUE_LIMIT, call).await;
    answer.map_err(|late| ServiceError::transient("the queue did not answer in time", late))?
}

fn named<'a>(watched: &'a [Watched], name: &str) -> Result<&'a Watched, Problem> {
    let found = watched.iter().find(|it| it.name == name);
    found.ok_or_else(|| Problem::not_found("there is no such queue"))
}
