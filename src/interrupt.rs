//! Ctrl-C and its like: the program is told to end, and ends what it does cleanly.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is to be done when the program is told to end.
type Wake = Box<dyn Fn() + Send>;

/// Whether the program has been told to end. Cheap to clone; all clones know the same.
#[derive(Clone, Default)]
pub struct Interrupt {
    told: Arc<AtomicBool>,
    wake: Arc<Mutex<Option<Wake>>>,
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupt").field("told", &self.is_told()).finish_non_exhaustive()
    }
}

impl Interrupt {
    /// One that hears the process's signals from now on: SIGINT, SIGTERM and SIGHUP, on Windows Ctrl-C, Ctrl-Break and
    /// the closing of the console. The second one ends the process at once, in case the first does not.
    ///
    /// # Errors
    /// When the system lends no thread or takes no handler.
    pub fn of_process() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::new()?
        };
        let telling = interrupt.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                signals.next().await;
                telling.tell();
                signals.next().await;
                // As a shell reports a program that SIGINT has ended.
                std::process::exit(130);
            });
        })?;
        Ok(interrupt)
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Tells it.
    pub fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    /// Calls `wake`, from another thread, when it is told; at once if it was told already.
    pub fn on_told(&self, wake: impl Fn() + Send + 'static) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
        if self.is_told() {
            self.tell();
        }
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC, tokio::signal::windows::CtrlBreak, tokio::signal::windows::CtrlClose);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self(ctrl_c()?, ctrl_break()?, ctrl_close()?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
            _ = self.2.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken_once_told_and_at_once_if_it_was() {
        let interrupt = Interrupt::default();
        let count = Arc::new(Mutex::new(0));
        let wake = |count: &Arc<Mutex<u32>>| {
            let count = Arc::clone(count);
            move || *count.lock().unwrap() += 1
        };
        interrupt.clone().on_told(wake(&count));
        assert!(!interrupt.is_told());
        interrupt.tell();
        assert!(interrupt.is_told());
        assert_eq!(*count.lock().unwrap(), 1);
        interrupt.on_told(wake(&count));
        assert_eq!(*count.lock().unwrap(), 2);
    }
}
