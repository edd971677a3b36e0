//! Where the hostile member runs.

use tokio::sync::oneshot;

/// A thread on which the hostile member's tasks run.
pub struct Background {
    /// Where they are spawned.
    pub runtime: tokio::runtime::Handle,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Background {
    /// Starts it.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || runtime.block_on(async { drop(stopped.await) });
        Self { runtime: handle, stop, thread: std::thread::spawn(run) }
    }

    /// Ends it and what runs there.
    pub fn end(self) {
        self.stop.send(()).expect("it runs");
        self.thread.join().expect("no panic");
    }
}
