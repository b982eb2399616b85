//! Looks for the places where the two sides differ, now and then and on a thread of its own: pictures of the GPU are
//! read back for it, and the window must not wait.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    pipeline::{Slot, Taken},
    spotlight::Saliency,
    upscale::Picture,
};

/// From one look to the next at least: what is shown is held for seconds.
const PERIOD: Duration = Duration::from_millis(300);
/// And at least so many times as long as a look takes.
const REST: u32 = 15;
const TICK: Duration = Duration::from_millis(100);

/// The thread; dropping it ends and joins it.
pub(crate) struct Watcher {
    jobs: Slot<[Picture; 2]>,
    results: Receiver<Saliency>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (tell, results) = sync_channel(1);
        let jobs = Slot::default();
        let todo = jobs.clone();
        let run = move || work(&todo, &tell);
        let thread = Some(std::thread::Builder::new().name("watcher".into()).spawn(run)?);
        Ok(Self { jobs, results, thread })
    }

    /// Offers the sides of a frame, which take the place of those that are still waiting.
    pub(crate) fn offer(&self, sides: [Picture; 2]) {
        self.jobs.put(sides);
    }

    /// The newest result.
    pub(crate) fn result(&self) -> Option<Saliency> {
        self.results.try_iter().last()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.jobs.close();
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that looks for differences panicked");
        }
    }
}

fn work(jobs: &Slot<[Picture; 2]>, tell: &SyncSender<Saliency>) {
    while !jobs.is_closed() {
        let [a, b] = match jobs.take(TICK) {
            Taken::Value(sides) => sides,
            Taken::Timeout => continue,
            Taken::Closed => break,
        };
        let started = Instant::now();
        let bytes = |picture: &Picture| picture.to_rgba().map_err(|e| tracing::debug!("{e}")).ok();
        if let Some((a, b)) = bytes(&a).zip(bytes(&b)) {
            // One that is not taken yet is as good; the next one comes soon.
            let _ = tell.try_send(Saliency::of(&a, &b));
        }
        // The GPU's pictures are let go before resting: its engine writes to them again.
        drop((a, b));
        let until = started + PERIOD.max(started.elapsed() * REST);
        while !jobs.is_closed() && Instant::now() < until {
            std::thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        frame::{Rgba, Size},
        spotlight::Extent,
    };

    #[test]
    fn the_thread_answers_and_ends() {
        let size = Size::new(320, 240).unwrap();
        let picture = |seed: usize| {
            let data = (0..4 * size.pixels()).map(|i| (i * i * seed % 251) as u8).collect();
            Picture::Cpu(Arc::new(Rgba { size, data }))
        };
        let watcher = Watcher::start().unwrap();
        watcher.offer([picture(3), picture(7)]);
        let saliency = watcher.results.recv().unwrap();
        assert!(saliency.best(Extent { width: 0.2, height: 0.2 }, &[]).is_some());
    }
}
