//! The control room: each page, and the forms on it.

use bff::compose::{Composition, Part};
use bff::invoke::{Invoke, ask, or_none};
use bff::pages::{Visitor, troubled};
use bff::{Answer, Problem, ProblemKind};
use circuit_breaker::breaker::Environment;
use circuit_breaker::control::ControlRequest;
use circuit_breaker::shared_state::Override;
use circuit_breaker::store::Store;
use contracts::billing::{Bill, Query as BillingQuery};
use contracts::booking::{Booking, ConsistentQuery, History, Query};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::{Page, PageRequest, Request};
use contracts::parking::{Command, Query as ParkingQuery, Slot};
use jiff::Timestamp;
use serde::Deserialize;
use service_error::ServiceError;
use uuid::Uuid;

use super::bff::Backend;
use super::projections::Named;
use super::queues::{QUEUE_LIMIT, delete, move_back};
use super::{Errand, breakers, projections, queues, slots};
use crate::pages::{self, Told};
use crate::queues::Queues;
use crate::shape::{Discard, NewSlot};
use crate::workflow::{Workflow, saga_of};

/// What has just happened is among the last few.
const LATEST: u32 = 8;

/// Somebody in the control room, and what they ask for.
pub(super) struct Room<'a, S, W, Q, B, H> {
    pub(super) backend: &'a Backend<'a, S, W, Q, B, H>,
    pub(super) errand: Errand<'a, S>,
    pub(super) visitor: Visitor,
    pub(super) now: Timestamp,
    /// Names what may be made by a form of the page that is shown.
    pub(super) new_id: Uuid,
}

/// A form with nothing in it but where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {
    #[serde(default, rename = "proof")]
    _proof: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    /// The slot's id, so that a form that is sent twice makes one slot.
    slot: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    generation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    word: Override,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscardForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    message: String,
    reason: String,
}

impl<S, W, Q, B, H> Room<'_, S, W, Q, B, H>
where
    S: Invoke,
    W: Workflow,
    Q: Queues,
    B: Store + Sync,
    H: Environment + Sync,
{
    /// The routes are those of the OpenAPI document, and a test holds the two together.
    pub(super) async fn answer(&self) -> Result<Answer, Problem> {
        match self.errand.request.route() {
            ("GET", "/operator") => self.overview().await,
            ("GET", "/operator/room/bookings") => self.bookings().await,
            ("GET", "/operator/room/bookings/{bookingId}") => self.story().await,
            ("GET", "/operator/room/slots") => {
                let told = self.told(&["status", "cursor"])?;
                self.slots(told).await.map(shown)
            }
            ("POST", "/operator/room/slots") => self.create_slot().await,
            ("POST", "/operator/room/slots/{slotId}/close") => {
                self.change_slot("closed", |slot_id| Command::CloseSlot { slot_id }).await
            }
            ("POST", "/operator/room/slots/{slotId}/reopen") => {
                self.change_slot("reopened", |slot_id| Command::ReopenSlot { slot_id }).await
            }
            ("GET", "/operator/room/dead-letters") => {
                let told = self.told(&[])?;
                self.letters(told).await.map(shown)
            }
            ("POST", "/operator/room/dead-letters/{queue}/redrive") => self.redrive().await,
            ("POST", "/operator/room/dead-letters/{queue}/discard") => self.discard().await,
            ("GET", "/operator/room/projections") => {
                let told = self.told(&[])?;
                self.projections(told).await.map(shown)
            }
            ("POST", "/operator/room/projections/{name}/rebuild") => self.rebuild().await,
            ("POST", "/operator/room/projections/{name}/rollback") => self.roll_back().await,
            ("GET", "/operator/room/circuit-breakers") => {
                let told = self.told(&[])?;
                self.breakers(told).await.map(shown)
            }
            ("POST", "/operator/room/circuit-breakers/{name}") => self.force().await,
            ("POST", "/operator/room/circuit-breakers/{name}/reset") => self.reset().await,
            _ => Err(Problem::not_found("there is no such route")),
        }
    }

    // ---- Pages -----------------------------------------------------------------------------------------------------

    async fn overview(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let (errand, composition) = (&self.errand, Composition::partial(self.errand.deadline));
        let latest = PageRequest { limit: LATEST, cursor: None };
        let latest = Request::from(Query::Bookings { status: None, page: latest });
        let at = &errand.at.booking_query;
        let latest = ask::<_, Page<Booking>>(errand.services, at, &latest, errand.deadline);
        let depths = projections::depths(self.backend.queues, &self.backend.config.queues);
        let (bookings, slots, latest, queues, breakers) = tokio::try_join!(
            composition.optional("bookings", projections::held(errand, Named::Bookings)),
            composition.optional("slots", projections::held(errand, Named::Slots)),
            composition.optional("latest bookings", latest),
            composition.optional_within("queues", QUEUE_LIMIT, depths),
            Box::pin(breakers::all(errand, self.backend.breakers, &composition)),
        )?;
        let report = composition.report();
        let shown = pages::overview::Overview {
            bookings: &bookings,
            slots: &slots,
            latest: &latest,
            queues: &queues,
            breakers: &breakers,
            report: &report,
        };
        let page = pages::overview::render(&self.visitor.place, &shown);
        Ok(Answer::html(200, page).timed(&composition))
    }

    async fn bookings(&self) -> Result<Answer, Problem> {
        let query = self.errand.request.query(&["status", "cursor"])?;
        let status = query.one_of("status")?;
        let asked = query.page()?;
        let further = asked.cursor.is_some();
        let question = Query::Bookings { status, page: super::page_request(asked) };
        let question = Request::from(question);
        let at = &self.errand.at.booking_query;
        let list: Page<Booking> =
            ask(self.errand.services, at, &question, self.errand.deadline).await?;
        let page = pages::bookings::render(&self.visitor.place, &list, status, further);
        Ok(Answer::html(200, page))
    }

    async fn story(&self) -> Result<Answer, Problem> {
        let errand = &self.errand;
        let booking_id: BookingId = errand.request.path("bookingId")?;
        let version = errand.request.query(&["version"])?.number("version", 1..=u64::MAX)?;
        let composition = Composition::partial(errand.deadline);
        let standing = async {
            match version {
                None => Ok(None),
                Some(_) => or_none(self.ask_history(booking_id, version).await),
            }
        };
        let letters = queues::all(self.backend.queues, &self.backend.config.queues, &composition);
        let (booking, history, standing, saga, letters) = tokio::try_join!(
            composition.optional("booking", async { or_none(self.booking(booking_id).await) }),
            composition.optional("events", async {
                or_none(self.ask_history::<History>(booking_id, None).await)
            }),
            composition.optional("state then", Box::pin(standing)),
            composition.optional("saga", Box::pin(saga_of(self.backend.workflow, booking_id))),
            Box::pin(letters),
        )?;
        let history = history.map(|it| it.unwrap_or(History { events: Vec::new() }));
        let known = booking.value().and_then(Option::as_ref);
        let slot_id = known.map(|it| it.slot_id).or_else(|| history.value().and_then(slot_of));
        let is_known = known.is_some() || history.value().is_some_and(|it| !it.events.is_empty());
        if !is_known {
            let nobody_says = booking == Part::Missing || history == Part::Missing;
            return Err(if nobody_says {
                let detail = "nobody can tell of this booking just now";
                Problem::new(ProblemKind::ServiceUnavailable, detail)
            } else {
                Problem::not_found("there is no such booking")
            });
        }
        let slot = async {
            let Some(slot_id) = slot_id else { return Ok(None) };
            let question = ParkingQuery::Slot { slot_id, min_version: None };
            or_none(slots::query::<Slot>(errand, question, errand.deadline).await)
        };
        let bill = async {
            let Some(slot_id) = slot_id else { return Ok(None) };
            let reference = BillReference { slot_id, booking_id };
            let question = Request::from(BillingQuery::Bill { reference });
            let at = &errand.at.billing_query;
            or_none(ask::<_, Bill>(errand.services, at, &question, errand.deadline).await)
        };
        let (slot, bill) = tokio::try_join!(
            composition.optional("slot", slot),
            composition.optional("bill", bill),
        )?;
        let id = booking_id.to_string();
        let letters: Vec<_> = letters.into_iter().filter(|it| it.body.contains(&id)).collect();
        let report = composition.report();
        let story = pages::story::Story {
            booking_id,
            booking: known,
            history: history.value(),
            version,
            standing: standing.value().and_then(Option::as_ref),
            saga: &saga,
            slot: slot.value().and_then(Option::as_ref),
            bill: &bill,
            letters: &letters,
            report: &report,
            now: self.now,
        };
        let page = pages::story::render(&self.visitor.place, &story);
        Ok(Answer::html(200, page).timed(&composition))
    }

    async fn booking(&self, booking_id: BookingId) -> Result<Booking, ServiceError> {
        let question = Query::Booking { booking_id, customer: None, min_version: None };
        let (errand, question) = (&self.errand, Request::from(question));
        ask(errand.services, &errand.at.booking_query, &question, errand.deadline).await
    }

    async fn ask_history<R: serde::de::DeserializeOwned>(
        &self,
        booking_id: BookingId,
        version: Option<u64>,
    ) -> Result<R, ServiceError> {
        let question = ConsistentQuery::ReadHistory { booking_id, version, at: None };
        let (errand, question) = (&self.errand, Request::from(question));
        ask(errand.services, &errand.at.booking_command, &question, errand.deadline).await
    }

    async fn slots(&self, told: Option<Told>) -> Result<String, Problem> {
        // A form has no query; its page is the first one.
        let query = self.errand.request.query(&["status", "cursor", "done"])?;
        let status = query.one_of("status")?;
        let asked = query.page()?;
        let further = asked.cursor.is_some();
        let question = ParkingQuery::Slots { status, page: super::page_request(asked) };
        let list: Page<Slot> = slots::query(&self.errand, question, self.errand.deadline).await?;
        let new_id = SlotId(self.new_id);
        let shown =
            pages::slots::Slots { list: &list, status, further, new_id, told: told.as_ref() };
        Ok(pages::slots::render(&self.visitor.place, &shown))
    }

    async fn letters(&self, told: Option<Told>) -> Result<String, Problem> {
        let composition = Composition::partial(self.errand.deadline);
        let watched = &self.backend.config.queues;
        let letters = Box::pin(queues::all(self.backend.queues, watched, &composition)).await?;
        let report = composition.report();
        Ok(pages::letters::render(&self.visitor.place, &letters, &report, told.as_ref()))
    }

    async fn projections(&self, told: Option<Told>) -> Result<String, Problem> {
        let composition = Composition::partial(self.errand.deadline);
        let (bookings, slots) = tokio::try_join!(
            composition.optional("bookings", projections::fares(&self.errand, Named::Bookings)),
            composition.optional("slots", projections::fares(&self.errand, Named::Slots)),
        )?;
        let shown = [bookings, slots].into_iter().filter_map(Part::into_value).collect::<Vec<_>>();
        let report = composition.report();
        let place = &self.visitor.place;
        Ok(pages::projections::render(place, &shown, &report, self.now, told.as_ref()))
    }

    async fn breakers(&self, told: Option<Told>) -> Result<String, Problem> {
        let composition = Composition::partial(self.errand.deadline);
        let all = breakers::all(&self.errand, self.backend.breakers, &composition);
        let shown = Box::pin(all).await?;
        let report = composition.report();
        Ok(pages::breakers::render(&self.visitor.place, &shown, &report, self.now, told.as_ref()))
    }

    // ---- Forms -----------------------------------------------------------------------------------------------------

    async fn create_slot(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let SlotForm { slot, name, .. } = self.errand.request.form()?;
        let odd = || Problem::validation("form: slot is not what our pages send");
        let slot_id: SlotId = slot.parse().ok().ok_or_else(odd)?;
        let name = name.trim().to_owned();
        let wish = NewSlot { name: name.clone() };
        if !wish.is_good() {
            let problem = Problem::validation("name is not one");
            let told = Told::trouble("A name has 1 to 100 characters, and not only blanks.");
            return Ok(troubled(&problem, self.slots(Some(told)).await?));
        }
        let made = slots::command(&self.errand, Command::CreateSlot { slot_id, name }).await;
        match made {
            Ok(_) => Ok(self.done("slots", "created")),
            Err(failure) => self.not_done(failure, async |told| self.slots(told).await).await,
        }
    }

    async fn change_slot(
        &self,
        done: &'static str,
        command: impl FnOnce(SlotId) -> Command,
    ) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let slot_id: SlotId = self.errand.request.path("slotId")?;
        let _nothing: Nothing = self.errand.request.form()?;
        match slots::command(&self.errand, command(slot_id)).await {
            Ok(_) => Ok(self.done("slots", done)),
            Err(failure) => self.not_done(failure, async |told| self.slots(told).await).await,
        }
    }

    async fn redrive(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let name: String = self.errand.request.path("queue")?;
        let _nothing: Nothing = self.errand.request.form()?;
        match move_back(self.backend.queues, &self.backend.config.queues, &name).await {
            Ok(_) => Ok(self.done("dead-letters", "redriven")),
            Err(problem) => self.not_done(problem, async |told| self.letters(told).await).await,
        }
    }

    async fn discard(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let queue: String = self.errand.request.path("queue")?;
        let DiscardForm { message, reason, .. } = self.errand.request.form()?;
        let discard = Discard { message_id: message, reason };
        if !discard.has_reason() {
            let problem = Problem::validation("reason is not one");
            let told = Told::trouble(
                "Nothing was deleted: a reason has 1 to 500 characters, and not only blanks.",
            );
            return Ok(troubled(&problem, self.letters(Some(told)).await?));
        }
        let (queues, watched) = (self.backend.queues, &self.backend.config.queues);
        match delete(queues, watched, &queue, &discard, &self.visitor.subject).await {
            Ok(()) => Ok(self.done("dead-letters", "discarded")),
            // It was redriven or discarded meanwhile; a queue that does not exist is a missing page.
            Err(problem)
                if problem.kind() == ProblemKind::NotFound
                    && watched.iter().any(|it| it.name == queue) =>
            {
                let told = Told::trouble(
                    "The message is no longer there, or another operator is looking at it. Nothing was deleted.",
                );
                Ok(troubled(&problem, self.letters(Some(told)).await?))
            }
            Err(problem) => self.not_done(problem, async |told| self.letters(told).await).await,
        }
    }

    async fn rebuild(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let named: Named = self.errand.request.path("name")?;
        let _nothing: Nothing = self.errand.request.form()?;
        match projections::begin(&self.errand, named).await {
            Ok(_) => Ok(self.done("projections", "rebuilding")),
            Err(failure) => self.not_done(failure, async |told| self.projections(told).await).await,
        }
    }

    async fn roll_back(&self) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let named: Named = self.errand.request.path("name")?;
        let RollBackForm { generation, .. } = self.errand.request.form()?;
        let odd = || Problem::validation("form: generation is not what our pages send");
        let generation = generation.parse().ok().ok_or_else(odd)?;
        match projections::point_back(&self.errand, named, generation).await {
            Ok(_) => Ok(self.done("projections", "rolled-back")),
            Err(failure) => self.not_done(failure, async |told| self.projections(told).await).await,
        }
    }

    async fn force(&self) -> Result<Answer, Problem> {
        let WordForm { word, .. } = self.errand.request.form()?;
        self.say("set", |breaker, by| ControlRequest::Override { breaker, kind: word, by }).await
    }

    async fn reset(&self) -> Result<Answer, Problem> {
        let _nothing: Nothing = self.errand.request.form()?;
        self.say("reset", |breaker, by| ControlRequest::Reset { breaker, by }).await
    }

    async fn say(
        &self,
        done: &'static str,
        order: impl FnOnce(String, String) -> ControlRequest,
    ) -> Result<Answer, Problem> {
        self.errand.request.query(&[])?;
        let by = self.visitor.subject.clone();
        let said = breakers::said(&self.errand, self.backend.breakers, by, order);
        match Box::pin(said).await {
            Ok(_) => Ok(self.done("circuit-breakers", done)),
            Err(problem) => self.not_done(problem, async |told| self.breakers(told).await).await,
        }
    }

    /// To the page that shows it.
    fn done(&self, page: &str, done: &str) -> Answer {
        Answer::see_other(self.visitor.place.link(&format!("room/{page}?done={done}")))
    }

    /// The page that the form was on, with a word on it why nothing has come of it.
    async fn not_done(
        &self,
        problem: impl Into<Problem>,
        page: impl AsyncFnOnce(Option<Told>) -> Result<String, Problem>,
    ) -> Result<Answer, Problem> {
        let problem = problem.into();
        if problem.kind() == ProblemKind::NotFound {
            return Err(problem);
        }
        let page = page(Some(Told::of(&problem))).await?;
        Ok(troubled(&problem, page))
    }

    /// What has just been done, by the page's query; `known` are its other parameters.
    fn told(&self, known: &[&str]) -> Result<Option<Told>, Problem> {
        let known: Vec<&str> = known.iter().copied().chain(["done"]).collect();
        let query = self.errand.request.query(&known)?;
        query.text("done").map(Told::done).transpose()
    }
}

fn shown(page: String) -> Answer {
    Answer::html(200, page)
}

/// The slot that a booking's first event names.
fn slot_of(history: &History) -> Option<SlotId> {
    history.events.first()?.data.get("slotId")?.as_str()?.parse().ok()
}
