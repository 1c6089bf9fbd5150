//! All rules of a bill, and the reasons for a rejection.
//!
//! A repeated command returns its original result: it changes nothing, or is rejected for the original reason.

use contracts::billing::{BillStatus, MAX_PAYMENT_TOKEN_LENGTH, is_payment_token};
use contracts::booking::PaymentMode;
use contracts::id::{CustomerId, PaymentId};
use contracts::money::Money;
use jiff::Timestamp;
use service_error::ServiceError;

use super::state::sum;
use super::{Bill, BillCommand, BillEvent, ChargeOutcome, Payment, PaymentState, Stage, Terms};

/// The maximal number of payments on one bill. A bill stores all of them, and an item of the store has a size limit.
pub const MAX_PAYMENTS: usize = 100;

/// The result of a command: the new state of the bill and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The bill after the command.
    pub bill: Bill,
    /// The events of the change, in order.
    pub events: Vec<BillEvent>,
}

/// Decides on one command.
///
/// # Errors
///
/// The rule that rejects the command. [`BillCommand::RecordOutcome`], [`BillCommand::RecordRefund`],
/// [`BillCommand::Close`] and [`BillCommand::ExpireIfOverdue`] are never rejected.
pub fn decide(bill: &Bill, command: &BillCommand, now: Timestamp) -> Result<Decision, Rejection> {
    use BillCommand::{Authorise, Close, ExpireIfOverdue, Issue, Pay, RecordOutcome, RecordRefund};
    let becomes =
        |stage, events| Ok(Decision { bill: Bill { reference: bill.reference, stage }, events });
    let unchanged = || Ok(Decision { bill: bill.clone(), events: vec![] });
    match (&bill.stage, command) {
        (Stage::Absent, Issue { customer, total, due_at }) => {
            let terms = invoice(customer, *total, *due_at);
            let events = vec![BillEvent::Issued { mode: terms.mode, total: terms.total }];
            becomes(Stage::Open { terms, payments: vec![] }, events)
        }
        // The booking ended before its bill was issued. The terms are stored all the same, so that the state does not
        // depend on the order of the two events.
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
                    original_result(known, false).and_then(|()| unchanged())
                }
                Some(_) | None => Err(Rejection::IdempotencyKeyReused),
            }
        }
        // Even if it was paid before: the saga must not continue as if the bill were still paid.
        (Stage::Closing { .. } | Stage::Closed { .. }, Authorise { .. }) => Err(Rejection::Closed),

        (Stage::Absent, Pay { .. }) => Err(Rejection::NotFound),
        (
            Stage::Open { .. } | Stage::Closing { .. } | Stage::Closed { .. },
            Pay { customer, payment_id, amount, token },
        ) => {
            let terms = bill.terms().filter(|terms| terms.customer == *customer);
            let terms = terms.ok_or(Rejection::NotFound)?;
            let is_closed = !bill.is_open();
            if let Some(known) = bill.payments().iter().find(|it| it.id == *payment_id) {
                if known.amount != *amount || known.token != *token {
                    return Err(Rejection::IdempotencyKeyReused);
                }
                return original_result(known, is_closed).and_then(|()| unchanged());
            }
            check_charge(*amount, token)?;
            check_payable(bill, terms, *amount, now)?;
            let mut payments = bill.payments().to_vec();
            payments.push(requested(*payment_id, *amount, token, now));
            becomes(Stage::Open { terms: terms.clone(), payments }, vec![])
        }

        (Stage::Open { terms, payments }, RecordOutcome { payment_id, outcome }) => {
            let mut payments = payments.clone();
            let Some(payment) = find_requested(&mut payments, *payment_id) else {
                return unchanged();
            };
            let (id, amount) = (payment.id, payment.amount);
            payment.state = match outcome {
                ChargeOutcome::Captured => PaymentState::Captured,
                ChargeOutcome::Declined { reason } => {
                    PaymentState::Declined { reason: reason.clone() }
                }
                ChargeOutcome::Voided => PaymentState::Voided { amount: Money::ZERO },
            };
            let (mode, total) = (terms.mode, terms.total);
            let stage = Stage::Open { terms: terms.clone(), payments };
            let recorded = Bill { reference: bill.reference, stage };
            let events = match outcome {
                ChargeOutcome::Captured if recorded.paid() == total => {
                    vec![BillEvent::Paid { mode, total }]
                }
                ChargeOutcome::Captured | ChargeOutcome::Voided => vec![],
                ChargeOutcome::Declined { reason } => {
                    let reason = reason.clone();
                    vec![BillEvent::PaymentDeclined { payment_id: id, amount, reason }]
                }
            };
            Ok(Decision { bill: recorded, events })
        }
        // The bill was closed while the charge was in flight. Closing refunds this payment, whatever its outcome was, and
        // the caller's payment is rejected because the bill is closed.
        (Stage::Absent | Stage::Closing { .. } | Stage::Closed { .. }, RecordOutcome { .. }) => {
            unchanged()
        }

        (Stage::Absent, Close) => {
            becomes(Stage::Closed { terms: None, payments: vec![] }, vec![BillEvent::Expired])
        }
        (Stage::Open { terms, payments }, Close) => Ok(close(bill, terms, payments, false, now)),
        (Stage::Open { terms, payments }, ExpireIfOverdue) => {
            let overdue = terms.due_at.is_some_and(|due_at| due_at <= now);
            if overdue && bill.status() == Some(BillStatus::Pending) {
                Ok(close(bill, terms, payments, true, now))
            } else {
                unchanged()
            }
        }
        (Stage::Closing { .. } | Stage::Closed { .. }, Close | ExpireIfOverdue)
        | (Stage::Absent, ExpireIfOverdue) => unchanged(),

        (
            Stage::Closing { terms, payments, since, overdue },
            RecordRefund { payment_id, amount },
        ) => {
            let amount = *amount;
            let mut payments = payments.clone();
            let Some(payment) = payments.iter_mut().find(|it| it.id == *payment_id) else {
                return unchanged();
            };
            payment.state = match payment.state {
                PaymentState::Captured => PaymentState::Refunded { amount },
                PaymentState::Requested => PaymentState::Voided { amount },
                PaymentState::Declined { .. }
                | PaymentState::Refunded { .. }
                | PaymentState::Voided { .. } => return unchanged(),
            };
            let (since, overdue) = (*since, *overdue);
            let stage = Stage::Closing { terms: terms.clone(), payments, since, overdue };
            Ok(close_if_refunded(Bill { reference: bill.reference, stage }))
        }
        // Payments are refunded only while their bill is being closed.
        (Stage::Absent | Stage::Open { .. } | Stage::Closed { .. }, RecordRefund { .. }) => {
            unchanged()
        }
    }
}

/// Starts to close a bill. An overdue bill publishes its expiry now, without waiting for the refunds.
fn close(
    bill: &Bill,
    terms: &Terms,
    payments: &[Payment],
    overdue: bool,
    since: Timestamp,
) -> Decision {
    let (terms, payments) = (terms.clone(), payments.to_vec());
    let stage = Stage::Closing { terms, payments, since, overdue };
    let mut decision = close_if_refunded(Bill { reference: bill.reference, stage });
    if overdue {
        decision.events.insert(0, BillEvent::Expired);
    }
    decision
}

/// Completes the closing of a bill when no payment has to be refunded any more.
fn close_if_refunded(bill: Bill) -> Decision {
    if bill.unrefunded().next().is_some() {
        return Decision { bill, events: vec![] };
    }
    let amount = bill.refunded();
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

/// The original result of a payment. A charge that was in flight when the bill was closed counts as not made.
fn original_result(payment: &Payment, bill_is_closed: bool) -> Result<(), Rejection> {
    match &payment.state {
        PaymentState::Requested if bill_is_closed => Err(Rejection::Closed),
        PaymentState::Requested | PaymentState::Captured | PaymentState::Refunded { .. } => Ok(()),
        PaymentState::Declined { reason } => Err(Rejection::Declined { reason: reason.clone() }),
        PaymentState::Voided { .. } => Err(Rejection::Closed),
    }
}

fn check_charge(amount: Money, token: &str) -> Result<(), Rejection> {
    if amount.is_zero() {
        return Err(Rejection::ZeroAmount);
    }
    if !is_payment_token(token) {
        return Err(Rejection::InvalidToken);
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
        return Err(Rejection::PaidInstantly);
    }
    if bill.status() != Some(BillStatus::Pending) {
        return Err(Rejection::AlreadyPaid);
    }
    if terms.due_at.is_some_and(|due_at| due_at <= now) {
        return Err(Rejection::Overdue);
    }
    // A payment with an unknown outcome may have been charged, so it counts as paid.
    let committed = sum(payments, |payment| match payment.state {
        PaymentState::Requested | PaymentState::Captured => payment.amount,
        PaymentState::Declined { .. }
        | PaymentState::Refunded { .. }
        | PaymentState::Voided { .. } => Money::ZERO,
    });
    if committed.checked_add(amount).is_none_or(|sum| sum > terms.total) {
        return Err(Rejection::ExceedsTotal);
    }
    if payments.len() >= MAX_PAYMENTS {
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

/// Why a command is rejected. A retry of the same command is rejected as well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The bill does not exist, or belongs to another customer.
    #[error("bill does not exist")]
    NotFound,
    /// The payment's id was used for a payment with another amount, token or customer.
    #[error("this idempotency key was used for another payment")]
    IdempotencyKeyReused,
    /// The amount is zero.
    #[error("amount must be greater than zero")]
    ZeroAmount,
    /// The token is empty, too long, or contains other than visible ASCII characters.
    #[error("token must be 1 to {MAX_PAYMENT_TOKEN_LENGTH} visible characters")]
    InvalidToken,
    /// The provider declined the payment.
    #[error("payment was declined: {reason}")]
    Declined {
        /// The provider's reason.
        reason: String,
    },
    /// The bill is closed: its booking has ended, or the bill expired.
    #[error("bill is closed")]
    Closed,
    /// The bill is paid in full.
    #[error("bill has been paid")]
    AlreadyPaid,
    /// The bill is overdue, but has not been closed yet.
    #[error("bill is overdue")]
    Overdue,
    /// The payment, together with earlier ones, would exceed the total of the bill.
    #[error("payments would exceed the total of the bill")]
    ExceedsTotal,
    /// The bill has [`MAX_PAYMENTS`] payments already.
    #[error("bill has too many payments")]
    TooManyPayments,
    /// An instant booking's bill accepts no payments besides its authorisation.
    #[error("bill is paid while booking")]
    PaidInstantly,
    /// The bill is an invoice, which can't be authorised.
    #[error("bill is an invoice")]
    PaidByInvoice,
}

impl Rejection {
    /// The stable identifier of the reason, for callers.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::ZeroAmount | Self::InvalidToken => "validation",
            Self::Declined { .. } => "payment-declined",
            Self::Closed
            | Self::AlreadyPaid
            | Self::Overdue
            | Self::ExceedsTotal
            | Self::TooManyPayments
            | Self::PaidInstantly
            | Self::PaidByInvoice => "conflict",
        }
    }
}

impl From<Rejection> for ServiceError {
    fn from(rejection: Rejection) -> Self {
        Self::rejected(rejection.slug(), rejection.to_string())
    }
}
