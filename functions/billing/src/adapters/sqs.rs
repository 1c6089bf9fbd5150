//! Reminders as delayed messages of billing's own queue: `{"due": "<reference>"}`.

use std::time::Duration;

use contracts::id::BillReference;
use outbox::bus::SendError;
use outbox::sqs::Queue;

use crate::handlers::react::Reminder;
use crate::ports::Reminders;

impl Reminders for Queue {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), SendError> {
        self.send(&Reminder { due: reference }, after).await
    }
}
