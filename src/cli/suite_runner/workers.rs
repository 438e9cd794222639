//! Runs numbered jobs on several threads, and returns the results in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often the caller is notified that jobs are running.
const TICK_INTERVAL: Duration = Duration::from_millis(150);

/// What happened since the last event.
pub enum WorkerEvent<T> {
    /// No result yet. The value is the number of jobs that have ended.
    Tick(usize),
    /// The result of a job, in order; `None` if it panicked.
    Finished(usize, Option<T>),
}

/// Calls `work` for each number below `count`. Each thread has one of the `helpers`; they are returned at the end.
pub fn run_in_order<H: Send, T: Send>(
    count: usize,
    helpers: Vec<H>,
    work: &(dyn Fn(usize, &mut H) -> T + Sync),
    mut hear_of: impl FnMut(WorkerEvent<T>),
) -> Vec<H> {
    let next = &AtomicUsize::new(0);
    let (tell, hear) = mpsc::channel();
    std::thread::scope(|scope| {
        let workers: Vec<_> = helpers
            .into_iter()
            .map(|mut helper| {
                let tell = tell.clone();
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return helper;
                        }
                        let done = catch_unwind(AssertUnwindSafe(|| work(number, &mut helper))).ok();
                        if tell.send((number, done)).is_err() {
                            return helper;
                        }
                    }
                })
            })
            .collect();
        drop(tell);
        let mut early = BTreeMap::new();
        let mut given = 0;
        while given < count {
            match hear.recv_timeout(TICK_INTERVAL) {
                Ok((number, done)) => {
                    early.insert(number, done);
                }
                Err(RecvTimeoutError::Timeout) => hear_of(WorkerEvent::Tick(given + early.len())),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Some(done) = early.remove(&given) {
                hear_of(WorkerEvent::Finished(given, done));
                given += 1;
            }
        }
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn results_come_in_order_and_a_panic_is_reported_in_its_place() {
        // The first job waits for the last one, so they cannot end in order.
        let (tell, hear) = mpsc::channel::<()>();
        let hear = Mutex::new(hear);
        let work = |number: usize, _: &mut ()| {
            match number {
                0 => drop(hear.lock().expect("nobody panics with it").recv()),
                3 => std::panic::resume_unwind(Box::new("a bug")),
                7 => tell.send(()).expect("the first one waits"),
                _ => {}
            }
            number
        };
        let mut given = Vec::new();
        let helpers = run_in_order(8, vec![(), ()], &work, |event| {
            if let WorkerEvent::Finished(number, done) = event {
                given.push((number, done));
            }
        });
        assert_eq!(helpers.len(), 2);
        let expected: Vec<_> = (0..8).map(|number| (number, (number != 3).then_some(number))).collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn no_jobs_end_at_once() {
        run_in_order(0, vec![()], &|_, ()| (), |_| panic!("there is nothing"));
    }
}
