//! How deep the executor is: the frames of a debug backtrace from `run` to the write of a `send` step.

use super::Files;
use crate::event::{Event, Observer};
use crate::exec::tests::server::VirtualClock;
use crate::exec::{
    CloseMode, ConnectError, ConnectOptions, ConnectionInfo, Network, RunOptions, Server, Stream, TlsError, TlsFacts,
    TlsOptions, run,
};
use crate::session::load;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

/// The most frames of exec between `run` and the stream.
const MOST: usize = 9;

/// Keeps the backtrace of the first write, and answers nothing.
struct TracedStream(Rc<RefCell<Option<String>>>);

impl Stream for TracedStream {
    fn read(&mut self, _: &mut [u8], _: Instant) -> io::Result<usize> {
        Ok(0)
    }

    fn read_waiting(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn write(&mut self, bytes: &[u8], _: Instant) -> io::Result<usize> {
        self.0.borrow_mut().get_or_insert_with(|| Backtrace::force_capture().to_string());
        Ok(bytes.len())
    }

    fn start_tls(&mut self, _: &TlsOptions, _: Instant) -> Result<TlsFacts, TlsError> {
        Err(TlsError::TimedOut)
    }

    fn end_tls(&mut self, _: Instant) -> io::Result<bool> {
        Ok(true)
    }

    fn close(&mut self, _: CloseMode) -> io::Result<()> {
        Ok(())
    }
}

impl Network for TracedStream {
    fn connect(
        &mut self,
        _: &Server,
        _: &ConnectOptions,
        _: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let (address, local, resolved) = ("127.0.0.1:25".into(), true, Vec::new());
        let info =
            ConnectionInfo { address, local, resolved, peer: None, local_address: None, exchanger: None, since: None };
        Ok((Box::new(TracedStream(self.0.clone())), info))
    }
}

struct NoObserver;

impl Observer for NoObserver {
    fn observe(&mut self, _: &Event<'_>) {}
}

#[test]
fn a_send_step_passes_few_frames_on_its_way_to_the_stream() {
    let text = "server = \"smtp://127.0.0.1\"\nstep = [{ send = 'NOOP', expect = 250 }]\n";
    let session = load("case.toml", text, &Files, &[]).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    let (trace, clock) = (Rc::default(), VirtualClock::new());
    let mut network = TracedStream(Rc::clone(&trace));
    run(&session, &RunOptions::default(), &Files, &mut network, clock.as_ref(), &mut NoObserver);
    let trace = trace.take().expect("something was written");
    // `at ./src/exec/mod.rs:12:3`: where each frame is.
    let is_ours = |line: &&str| line.contains("/src/exec/") && !line.contains("/src/exec/tests/");
    let frames: Vec<&str> =
        trace.lines().map(str::trim).filter(|line| line.starts_with("at ")).filter(is_ours).collect();
    let between = frames.len().saturating_sub(1);
    assert!(frames.last().is_some_and(|first| first.contains("exec/mod.rs")), "it begins with run: {trace}");
    assert!((4..=MOST).contains(&between), "{between} frames: {frames:#?}");
}
