//! Runs tasks in every order in which their calls can interleave.
//!
//! The result of a race depends on the order of the calls that reach a store. With few tasks of few calls each, every order
//! can be tested, so no order depends on chance.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// The gate at which a task waits before each call.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    waiting: Arc<AtomicBool>,
}

impl Gate {
    /// Waits until the schedule lets this task continue.
    pub async fn pass(&self) {
        let mut was_polled = false;
        poll_fn(|_| {
            if std::mem::replace(&mut was_polled, true) {
                return Poll::Ready(());
            }
            self.waiting.store(true, Ordering::SeqCst);
            Poll::Pending
        })
        .await;
    }
}

/// Runs tasks in every order of their calls, each time from the start; returns the number of orders.
///
/// `begin` creates a world and the tasks in it, which must pass the gate before each call; `check` examines the result. The
/// tasks must be deterministic: the same order leads to the same calls.
///
/// # Panics
///
/// If there are more than a million orders, because the tasks are too many or too long.
pub async fn every_order<W, F: Future>(
    begin: impl AsyncFn(Gate) -> (W, Vec<F>),
    check: impl AsyncFn(W, Vec<F::Output>, &[usize]),
) -> usize {
    // The chosen task of those that were not done, at each step, and how many there were.
    let mut choices: Vec<(usize, usize)> = Vec::new();
    for count in 1..=1_000_000 {
        let gate = Gate::default();
        let (world, tasks) = begin(gate.clone()).await;
        let mut tasks: Vec<(usize, Pin<Box<F>>)> =
            tasks.into_iter().map(Box::pin).enumerate().collect();
        let mut outputs: Vec<Option<F::Output>> = tasks.iter().map(|_| None).collect();
        let mut order = Vec::new();
        let mut step = 0;
        while !tasks.is_empty() {
            if choices.len() == step {
                choices.push((0, tasks.len()));
            }
            let chosen = choices.get(step).map_or(0, |choice| choice.0);
            let (number, task) =
                tasks.get_mut(chosen).expect("the same order leads to the same calls");
            let number = *number;
            order.push(number);
            if let Some(output) = advance(task, &gate).await {
                if let Some(slot) = outputs.get_mut(number) {
                    *slot = Some(output);
                }
                drop(tasks.remove(chosen));
            }
            step += 1;
        }
        check(world, outputs.into_iter().flatten().collect(), &order).await;
        // The next order: the last step with another choice takes it.
        choices.truncate(step);
        while choices.pop_if(|(chosen, among)| *chosen + 1 == *among).is_some() {}
        match choices.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None => return count,
        }
    }
    unreachable!("more than a million orders")
}

/// Lets a task continue to its next gate; returns its output once it has finished.
async fn advance<F: Future>(task: &mut Pin<Box<F>>, gate: &Gate) -> Option<F::Output> {
    poll_fn(|context| match task.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if gate.waiting.swap(false, Ordering::SeqCst) => Poll::Ready(None),
        // It waits for something else, such as a timer: continue with the same task.
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn every_order_is_tried_once() {
        let seen = Mutex::new(BTreeSet::new());
        let count = every_order(
            async |gate| {
                let tasks = (0..2).map(|_| {
                    let gate = gate.clone();
                    async move {
                        for _ in 0..2 {
                            gate.pass().await;
                        }
                    }
                });
                ((), tasks.collect())
            },
            async |(), outputs, order| {
                assert_eq!(outputs.len(), 2);
                assert!(seen.lock().unwrap().insert(order.to_vec()), "{order:?} twice");
            },
        )
        .await;
        // Two tasks of two calls and an end: 6 over 3.
        assert_eq!(count, 20);
        assert_eq!(seen.into_inner().unwrap().len(), 20);
    }
}
