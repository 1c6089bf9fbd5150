//! What a seed decides before anything happens: how the world will fare, and who comes to it.

use std::time::Duration;

use crate::dice::Dice;
use crate::wiring::Wiring;

/// In a storm, every fault is so many times as frequent.
pub(crate) const STORM: u64 = 8;
/// Faults are rare enough for work to get done between them, and frequent enough to meet each other.
const RATE_MAX: u64 = 60;

/// One day of the platform.
///
/// Each kind of fault is there on about half of the days only. A day on which everything fails all the time sees less:
/// what would have failed next is never reached.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Thousandths of all calls that do not arrive.
    pub(crate) lost: u64,
    /// Whose answer does not arrive.
    pub(crate) answer_lost: u64,
    /// Whose caller gives up before they take effect.
    pub(crate) late: u64,
    /// Before which their caller dies.
    pub(crate) dies: u64,
    /// After which it does.
    pub(crate) dies_after: u64,
    /// That are too much for a table.
    pub(crate) throttled: u64,
    /// Of conditional writes: that meet a transaction or another writer.
    pub(crate) conflict: u64,
    /// That take a second or two.
    pub(crate) slow: u64,
    /// Of what is delivered: that is delivered once more.
    pub(crate) twice: u64,
    /// Of messages: that are a while under way.
    pub(crate) delayed: u64,
    /// Of records of a stream: that another item's record comes before.
    pub(crate) reordered: u64,
    /// Of changes: that a stream forgets before they are published.
    pub(crate) forgotten: u64,
    /// Of invocations: that meet a process that has just started.
    pub(crate) cold: u64,
    /// Of processes: that run a later release, beside others that do not yet.
    pub(crate) later: u64,
    /// By how much the clocks of two processes may differ from the true time.
    pub(crate) skew_ms: u64,
    /// When all of this is many times as frequent.
    pub(crate) storms: Vec<(Duration, Duration)>,
    /// Functions of which hardly a call lives to its end, and when: as after a bad deployment.
    pub(crate) sick: Vec<Sick>,
    /// When the payment provider is down.
    pub(crate) provider_down: Vec<(Duration, Duration)>,
    /// When all of this stops, and the platform has to come to rest.
    pub(crate) calm_from: Duration,
    /// How many bookings are made.
    pub(crate) bookings: u64,
    /// Of how many slots.
    pub(crate) slots: u64,
    /// Within which time.
    pub(crate) arrivals: Duration,
    /// Thousandths of bookings that are paid at once.
    pub(crate) instant: u64,
    /// Thousandths of cards that work at once.
    pub(crate) good_cards: u64,
    /// Thousandths of customers who cancel.
    pub(crate) cancels: u64,
    /// Thousandths of requests that are sent twice at once.
    pub(crate) repeats: u64,
    /// How often an operator closes or reopens a slot.
    pub(crate) closures: u64,
    /// How often one has a view made anew, or put back.
    pub(crate) rebuilds: u64,
    /// How often one brings dead letters back.
    pub(crate) redrives: u64,
    /// How often one has events published once more.
    pub(crate) republishes: u64,
    /// How often an operator has a word with a circuit breaker.
    pub(crate) words: u64,
    /// What an invoice's bill is given.
    pub(crate) bill_due: Duration,
}

/// A function that is not itself for a while.
#[derive(Clone, Debug)]
pub(crate) struct Sick {
    pub(crate) function: String,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Plan {
    /// A day on which nothing fails and nobody comes by themselves, with one slot.
    pub(crate) fn calm() -> Self {
        Self {
            lost: 0,
            answer_lost: 0,
            late: 0,
            dies: 0,
            dies_after: 0,
            throttled: 0,
            conflict: 0,
            slow: 0,
            twice: 0,
            delayed: 0,
            reordered: 0,
            forgotten: 0,
            cold: 0,
            later: 0,
            skew_ms: 0,
            storms: Vec::new(),
            sick: Vec::new(),
            provider_down: Vec::new(),
            calm_from: Duration::ZERO,
            bookings: 0,
            slots: 1,
            arrivals: Duration::ZERO,
            instant: 0,
            good_cards: 1_000,
            cancels: 0,
            repeats: 0,
            closures: 0,
            rebuilds: 0,
            redrives: 0,
            republishes: 0,
            words: 0,
            bill_due: Duration::from_secs(20),
        }
    }

    /// The day of this seed. One in eight is a fine one, on which nothing fails.
    pub(crate) fn draw(dice: &Dice, wiring: &Wiring) -> Self {
        let is_fine = dice.below(8) == 0;
        let functions: Vec<&String> = wiring.functions.keys().collect();
        let rate = |most: u64| {
            if is_fine || dice.below(2) == 0 { 0 } else { dice.within(1..=most) }
        };
        // Long enough, now and then, for a message to fail so often that it lies with the dead letters.
        let calm_from = dice.within(20..=*dice.one_of(&[60, 150, 150, 600]));
        // Now and then a service is ill for so long that sagas give up their undos, and an operator's first attempt to have
        // them done fails as well.
        let is_ill = !is_fine && dice.below(24) == 0;
        let calm_from = if is_ill { dice.within(900..=1_800) } else { calm_from };
        let spells = |most: u64, seconds: u64| {
            let count = if is_fine { 0 } else { dice.below(most + 1) };
            let spells = (0..count).map(|_| {
                let from = dice.below(calm_from);
                let until = (from + dice.within(2..=seconds)).min(calm_from);
                (Duration::from_secs(from), Duration::from_secs(until))
            });
            spells.collect()
        };
        let sick = (0..if is_fine { 0 } else { dice.below(3) }).map(|_| {
            let function = (*dice.one_of(&functions)).clone();
            // What reads a queue may be ill for so long that messages end with the dead letters.
            let reads_queue = wiring.queue_sources.iter().any(|it| it.function == function);
            let from = dice.below(calm_from);
            let most = if reads_queue { 400 } else { 40 };
            let until = (from + dice.within(2..=most)).min(calm_from);
            Sick { function, from: Duration::from_secs(from), until: Duration::from_secs(until) }
        });
        let mut sick: Vec<Sick> = sick.collect();
        if is_ill {
            let function = dice.one_of(&["parking-command", "billing-command", "booking-command"]);
            let (from, until) = (dice.below(20), dice.within(700..=calm_from));
            sick.push(Sick {
                function: (*function).to_owned(),
                from: Duration::from_secs(from),
                until: Duration::from_secs(until),
            });
        }
        let arrivals_s = if is_ill { 60 } else { calm_from };
        Self {
            sick,
            storms: spells(2, 20),
            provider_down: spells(2, 60),
            lost: rate(RATE_MAX),
            answer_lost: rate(RATE_MAX),
            late: rate(RATE_MAX),
            dies: rate(RATE_MAX / 2),
            dies_after: rate(RATE_MAX / 2),
            throttled: rate(RATE_MAX),
            conflict: rate(RATE_MAX * 2),
            slow: rate(RATE_MAX / 3),
            twice: rate(400),
            delayed: rate(400),
            reordered: rate(500),
            // On few days: an event that was lost is none that can be had twice, late or early.
            forgotten: if dice.below(4) == 0 { rate(200) } else { 0 },
            cold: rate(500),
            later: rate(500),
            skew_ms: rate(1_500),
            calm_from: Duration::from_secs(calm_from),
            bookings: dice.within(1..=*dice.one_of(&[6, 24, 40])),
            slots: *dice.one_of(&[1, 1, 2, 5]),
            // A rush, or the whole day.
            arrivals: Duration::from_millis(
                dice.within(1..=*dice.one_of(&[5_000, arrivals_s * 1_000])),
            ),
            instant: *dice.one_of(&[0, 300, 700, 1_000, 1_000]),
            good_cards: *dice.one_of(&[300, 600, 900, 1_000]),
            cancels: *dice.one_of(&[0, 100, 400]),
            repeats: *dice.one_of(&[0, 100, 400]),
            closures: *dice.one_of(&[0, 0, 3, 30]),
            rebuilds: *dice.one_of(&[0, 1, 5]),
            redrives: if is_ill { 3 } else { *dice.one_of(&[0, 2]) },
            republishes: *dice.one_of(&[0, 0, 2]),
            words: if is_fine { 0 } else { *dice.one_of(&[0, 0, 3]) },
            bill_due: Duration::from_secs(*dice.one_of(&[20, 90, 900])),
        }
    }

    /// Whether nothing fails today.
    pub(crate) fn is_fine(&self) -> bool {
        let rates = [
            self.lost,
            self.answer_lost,
            self.late,
            self.dies,
            self.dies_after,
            self.throttled,
            self.conflict,
            self.slow,
            self.twice,
            self.delayed,
        ];
        rates.iter().all(|rate| *rate == 0)
            && self.provider_down.is_empty()
            && self.sick.is_empty()
            && self.words == 0
    }
}
