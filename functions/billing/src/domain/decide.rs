//! Every rule of a bill, on one page, and the names of the refusals.
//!
//! A repeated wish gets the first answer: what was done is found done, and what was refused is refused again.

use contracts::billing::BillStatus;
use contracts::booking::PaymentMode;
use contracts::id::{CustomerId, PaymentId};
use contracts::money::Money;
use jiff::Timestamp;
use service_error::ServiceError;

use super::state::sum;
use super::{Bill, BillCommand, BillEvent, Outcome, Payment, PaymentState, Stage, Terms};

/// A bill keeps every try to pay it, and must stay small enough to be stored.
pub const PAYMENTS_MAX: usize = 100;
/// A token is a name, not a document.
const TOKEN_LENGTH_MAX: usize = 200;

/// The bill as it is after a command, and what has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The bill afterwards.
    pub bill: Bill,
    /// What has happened, in order.
    pub events: Vec<BillEvent>,
}

/// Decides on one command.
///
/// # Errors
///
/// A wish may be refused; what is reported never is.
pub fn decide(bill: &Bill, command: &BillCommand, now: Timestamp) -> Result<Decision, Rejection> {
    use BillCommand::{Authorise, Close, FallDue, Issue, Pay, Return, Settle};
    let becomes =
        |stage, events| Ok(Decision { bill: Bill { reference: bill.reference, stage }, events });
    let unchanged = || Ok(Decision { bill: bill.clone(), events: vec![] });
    match (&bill.stage, command) {
        (Stage::Absent, Issue { customer, total, due_at }) => {
            let terms = invoice(customer, *total, *due_at);
            let events = vec![BillEvent::Issued { mode: terms.mode, total: terms.total }];
            becomes(Stage::Open { terms, payments: vec![] }, events)
        }
        // The booking was over before its bill was asked for. Whose it would have been is written down, so that it reads
        // the same whichever news comes first.
        (Stage::Closed { terms: None, payments }, Issue { customer, total, due_at }) => {
            let terms = Some(invoice(customer, *total, *due_at));
            becomes(Stage::Closed { terms, payments: payments.clone() }, vec![])
        }
        (Stage::Open { .. } | Stage::Closing { .. } | Stage::Closed { .. }, Issue { .. }) => {
            unchanged()
        }

        (Stage::Absent, Authorise { customer, total, token }) => {
            check_charge(*total, token)?;
            let mode = PaymentMode::Instant;
            let terms = Terms { mode, customer: customer.clone(), total: *total, due_at: None };
            let id = PaymentId(bill.reference.booking_id.0);
            let payments = vec![requested(id, *total, token, now)];
            let events = vec![BillEvent::Issued { mode, total: *total }];
            becomes(Stage::Open { terms, payments }, events)
        }
        (Stage::Open { terms, payments }, Authorise { customer, token, .. }) => {
            if terms.mode != PaymentMode::Instant {
                return Err(Rejection::PaidByInvoice);
            }
            match payments.first() {
                Some(known) if terms.customer == *customer && known.token == *token => {
                    first_answer(known, false).and_then(|()| unchanged())
                }
                Some(_) | None => Err(Rejection::KeyReused),
            }
        }
        // Even if it was paid once: whoever books must not go on as if it still were.
        (Stage::Closing { .. } | Stage::Closed { .. }, Authorise { .. }) => Err(Rejection::Closed),

        (Stage::Absent, Pay { .. }) => Err(Rejection::Unknown),
        (
            Stage::Open { .. } | Stage::Closing { .. } | Stage::Closed { .. },
            Pay { customer, payment_id, amount, token },
        ) => {
            let theirs = bill.terms().filter(|terms| terms.customer == *customer);
            let terms = theirs.ok_or(Rejection::Unknown)?;
            let over = !bill.is_open();
            if let Some(known) = bill.payments().iter().find(|it| it.id == *payment_id) {
                if known.amount != *amount || known.token != *token {
                    return Err(Rejection::KeyReused);
                }
                return first_answer(known, over).and_then(|()| unchanged());
            }
            check_charge(*amount, token)?;
            check_payable(bill, terms, *amount, now)?;
            let mut payments = bill.payments().to_vec();
            payments.push(requested(*payment_id, *amount, token, now));
            becomes(Stage::Open { terms: terms.clone(), payments }, vec![])
        }

        (Stage::Open { terms, payments }, Settle { payment_id, outcome }) => {
            let mut payments = payments.clone();
            let Some(payment) = find_requested(&mut payments, *payment_id) else {
                return unchanged();
            };
            let (id, amount) = (payment.id, payment.amount);
            payment.state = match outcome {
                Outcome::Captured => PaymentState::Captured,
                Outcome::Declined { reason } => PaymentState::Declined { reason: reason.clone() },
                Outcome::Voided => PaymentState::Withdrawn { amount: Money::ZERO },
            };
            let (mode, total) = (terms.mode, terms.total);
            let stage = Stage::Open { terms: terms.clone(), payments };
            let settled = Bill { reference: bill.reference, stage };
            let events = match outcome {
                Outcome::Captured if settled.paid() == total => {
                    vec![BillEvent::Paid { mode, total }]
                }
                Outcome::Captured | Outcome::Voided => vec![],
                Outcome::Declined { reason } => {
                    let reason = reason.clone();
                    vec![BillEvent::PaymentDeclined { payment_id: id, amount, reason }]
                }
            };
            Ok(Decision { bill: settled, events })
        }
        // Too late: whatever the provider did under this key is given back, and who pays is told that the bill is over.
        (Stage::Absent | Stage::Closing { .. } | Stage::Closed { .. }, Settle { .. }) => {
            unchanged()
        }

        (Stage::Absent, Close) => {
            becomes(Stage::Closed { terms: None, payments: vec![] }, vec![BillEvent::Expired])
        }
        (Stage::Open { terms, payments }, Close) => Ok(close(bill, terms, payments, false, now)),
        (Stage::Open { terms, payments }, FallDue) => {
            let due = terms.due_at.is_some_and(|due_at| due_at <= now);
            if due && bill.status() == Some(BillStatus::Pending) {
                Ok(close(bill, terms, payments, true, now))
            } else {
                unchanged()
            }
        }
        (Stage::Closing { .. } | Stage::Closed { .. }, Close | FallDue)
        | (Stage::Absent, FallDue) => unchanged(),

        (Stage::Closing { terms, payments, since, overdue }, Return { payment_id, amount }) => {
            let amount = *amount;
            let mut payments = payments.clone();
            let Some(payment) = payments.iter_mut().find(|it| it.id == *payment_id) else {
                return unchanged();
            };
            payment.state = match payment.state {
                PaymentState::Captured => PaymentState::Returned { amount },
                PaymentState::Requested => PaymentState::Withdrawn { amount },
                PaymentState::Declined { .. }
                | PaymentState::Returned { .. }
                | PaymentState::Withdrawn { .. } => return unchanged(),
            };
            let (since, overdue) = (*since, *overdue);
            let stage = Stage::Closing { terms: terms.clone(), payments, since, overdue };
            Ok(finish(Bill { reference: bill.reference, stage }))
        }
        // Only what is being closed is given back.
        (Stage::Absent | Stage::Open { .. } | Stage::Closed { .. }, Return { .. }) => unchanged(),
    }
}

/// Takes no more. Whoever waits for an overdue bill learns of it now, whatever the provider will say.
fn close(
    bill: &Bill,
    terms: &Terms,
    payments: &[Payment],
    overdue: bool,
    since: Timestamp,
) -> Decision {
    let (terms, payments) = (terms.clone(), payments.to_vec());
    let stage = Stage::Closing { terms, payments, since, overdue };
    let mut decision = finish(Bill { reference: bill.reference, stage });
    if overdue {
        decision.events.insert(0, BillEvent::Expired);
    }
    decision
}

/// Closes a bill under which nothing is held any more.
fn finish(bill: Bill) -> Decision {
    if bill.unreturned().next().is_some() {
        return Decision { bill, events: vec![] };
    }
    let amount = bill.returned();
    let Bill { reference, stage } = bill;
    let (stage, overdue) = match stage {
        Stage::Closing { terms, payments, overdue, .. } => {
            (Stage::Closed { terms: Some(terms), payments }, overdue)
        }
        stage @ (Stage::Absent | Stage::Open { .. } | Stage::Closed { .. }) => (stage, true),
    };
    let events = match (amount.is_zero(), overdue) {
        (false, _) => vec![BillEvent::Refunded { amount }],
        (true, false) => vec![BillEvent::Expired],
        (true, true) => vec![],
    };
    Decision { bill: Bill { reference, stage }, events }
}

/// What a payment was answered with before. What was on its way when the bill was closed has not been made.
fn first_answer(payment: &Payment, bill_is_over: bool) -> Result<(), Rejection> {
    match &payment.state {
        PaymentState::Requested if bill_is_over => Err(Rejection::Closed),
        PaymentState::Requested | PaymentState::Captured | PaymentState::Returned { .. } => Ok(()),
        PaymentState::Declined { reason } => Err(Rejection::Declined { reason: reason.clone() }),
        PaymentState::Withdrawn { .. } => Err(Rejection::Closed),
    }
}

fn check_charge(amount: Money, token: &str) -> Result<(), Rejection> {
    if amount.is_zero() {
        return Err(Rejection::NoAmount);
    }
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(1..=TOKEN_LENGTH_MAX).contains(&token.len()) {
        return Err(Rejection::NoToken);
    }
    Ok(())
}

fn check_payable(
    bill: &Bill,
    terms: &Terms,
    amount: Money,
    now: Timestamp,
) -> Result<(), Rejection> {
    let Stage::Open { payments, .. } = &bill.stage else { return Err(Rejection::Closed) };
    if terms.mode != PaymentMode::Invoice {
        return Err(Rejection::PaidAtOnce);
    }
    if bill.status() != Some(BillStatus::Pending) {
        return Err(Rejection::AlreadyPaid);
    }
    if terms.due_at.is_some_and(|due_at| due_at <= now) {
        return Err(Rejection::Overdue);
    }
    // What may have been charged counts as if it had been.
    let taken = sum(payments, |payment| match payment.state {
        PaymentState::Requested | PaymentState::Captured => payment.amount,
        PaymentState::Declined { .. }
        | PaymentState::Returned { .. }
        | PaymentState::Withdrawn { .. } => Money::ZERO,
    });
    if taken.checked_add(amount).is_none_or(|sum| sum > terms.total) {
        return Err(Rejection::OverTotal);
    }
    if payments.len() >= PAYMENTS_MAX {
        return Err(Rejection::TooManyPayments);
    }
    Ok(())
}

fn invoice(customer: &CustomerId, total: Money, due_at: Timestamp) -> Terms {
    let (mode, customer) = (PaymentMode::Invoice, customer.clone());
    Terms { mode, customer, total, due_at: Some(due_at) }
}

fn requested(id: PaymentId, amount: Money, token: &str, now: Timestamp) -> Payment {
    let (token, state) = (token.to_owned(), PaymentState::Requested);
    Payment { id, amount, token, requested_at: now, state }
}

fn find_requested(payments: &mut [Payment], id: PaymentId) -> Option<&mut Payment> {
    payments.iter_mut().find(|it| it.id == id && it.state == PaymentState::Requested)
}

/// A broken rule; asking again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such bill, or it is another customer's.
    #[error("bill does not exist")]
    Unknown,
    /// The payment's name was used for another one.
    #[error("this idempotency key was used for another payment")]
    KeyReused,
    /// Nothing is no amount.
    #[error("amount must be more than nothing")]
    NoAmount,
    /// The token is missing or no token.
    #[error("token must be 1 to 200 visible characters")]
    NoToken,
    /// The provider has refused the payment.
    #[error("payment was declined: {reason}")]
    Declined {
        /// Why, in the provider's words.
        reason: String,
    },
    /// The booking is over or the bill fell due.
    #[error("bill is closed")]
    Closed,
    /// There is nothing left to pay.
    #[error("bill has been paid")]
    AlreadyPaid,
    /// It is too late, though nobody has closed it yet.
    #[error("bill has fallen due")]
    Overdue,
    /// The bill would be paid more than once.
    #[error("payments would exceed the total of the bill")]
    OverTotal,
    /// Nobody pays in so many parts.
    #[error("bill has had too many payments")]
    TooManyPayments,
    /// An instant booking's bill is paid while booking.
    #[error("bill is paid while booking")]
    PaidAtOnce,
    /// An invoice is not charged while booking.
    #[error("bill is an invoice")]
    PaidByInvoice,
}

impl Rejection {
    /// The name that callers may rely on.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Unknown => "not-found",
            Self::KeyReused => "idempotency-key-reused",
            Self::NoAmount | Self::NoToken => "validation",
            Self::Declined { .. } => "payment-declined",
            Self::Closed
            | Self::AlreadyPaid
            | Self::Overdue
            | Self::OverTotal
            | Self::TooManyPayments
            | Self::PaidAtOnce
            | Self::PaidByInvoice => "conflict",
        }
    }
}

impl From<Rejection> for ServiceError {
    fn from(rejection: Rejection) -> Self {
        Self::rejected(rejection.slug(), rejection.to_string())
    }
}
