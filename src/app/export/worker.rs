//! Pictures on their way out of the window: read back from the GPU, cut, and written as PNG or given to the
//! clipboard, on a thread of their own.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use egui::ColorImage;
use time::OffsetDateTime;

use crate::{
    app::compare::sides::SideChoice,
    atomic_file,
    frame::{Rgba, Size},
    pipeline::Wake,
    report,
    upscale::Picture,
};

/// Jobs that may wait; more are refused with a word.
const JOBS: usize = 8;
/// What is begun is finished when the window closes, unless the disk takes longer than this.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// A part of a picture in shares of it: left, top, right, bottom.
pub(crate) type Part = [f32; 4];

/// What is to be done.
pub(crate) enum ExportJob {
    /// Each side of a frame at its full size, as PNG.
    Sides { id: u64, sides: Vec<(String, Picture)>, folder: PathBuf },
    /// The seen part of two sides beside each other, as PNG or (without a folder) for the clipboard.
    Crop { id: u64, sides: Vec<(String, Picture)>, part: Part, folder: Option<PathBuf> },
    /// A part of the window as it was seen, likewise. `part` is in shares of the window.
    View { image: Arc<ColorImage>, part: Part, folder: Option<PathBuf> },
    /// A text, as a file with this name and ending.
    Text { name: String, ending: &'static str, text: String, folder: PathBuf },
    /// The bytes of pictures that are in the GPU's memory, to be looked at.
    Read { id: u64, sides: Vec<(SideChoice, Picture)> },
}

/// What came of it.
pub(crate) enum ExportDone {
    /// These files were written.
    Saved(Vec<PathBuf>),
    /// This is for the clipboard.
    Copied(ColorImage),
    /// The bytes of frame `id`.
    Read { id: u64, sides: Vec<(SideChoice, Arc<Rgba>)> },
    /// It did not work, and why.
    Failed(String),
}

/// A way to give the thread something to do. It is shut for all who have it when the worker is dropped.
#[derive(Clone)]
pub(crate) struct ExportDoor(Arc<Mutex<Option<SyncSender<ExportJob>>>>);

impl ExportDoor {
    /// Gives it something; false when it has too much already, or has ended.
    pub(crate) fn give(&self, job: ExportJob) -> bool {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }

    fn shut(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The thread; dropping it lets it finish what it has, within [`GRACE`], and joins it.
pub(crate) struct ExportWorker {
    door: ExportDoor,
    done: Receiver<ExportDone>,
    thread: Option<JoinHandle<()>>,
}

impl ExportWorker {
    /// `wake` is called when something is done.
    pub(crate) fn start(wake: Wake) -> std::io::Result<Self> {
        let (jobs, todo) = sync_channel::<ExportJob>(JOBS);
        // As many as can be on their way, so that the thread never waits for the window.
        let (tell, done) = sync_channel(JOBS + 2);
        let run = move || {
            for job in todo {
                let done = work(job).unwrap_or_else(ExportDone::Failed);
                if tell.try_send(done).is_ok() {
                    wake();
                }
            }
        };
        let thread = Some(std::thread::Builder::new().name("export".into()).spawn(run)?);
        Ok(Self { door: ExportDoor(Arc::new(Mutex::new(Some(jobs)))), done, thread })
    }

    /// Gives it something to do; false when it has too much already.
    pub(crate) fn give(&self, job: ExportJob) -> bool {
        self.door.give(job)
    }

    /// A way to give it something from elsewhere.
    pub(crate) fn door(&self) -> ExportDoor {
        self.door.clone()
    }

    /// What has been done since the last call of this.
    pub(crate) fn done(&self) -> Vec<ExportDone> {
        self.done.try_iter().collect()
    }
}

impl Drop for ExportWorker {
    fn drop(&mut self) {
        self.door.shut();
        let until = std::time::Instant::now() + GRACE;
        loop {
            match self.done.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(_) => {} // of no interest any more
                // The thread has let go of its end.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::error!("pictures that were not written within {} s are lost", GRACE.as_secs());
                    return;
                }
            }
        }
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that writes pictures panicked");
        }
    }
}

fn work(job: ExportJob) -> Result<ExportDone, String> {
    match job {
        ExportJob::Sides { id, sides, folder } => {
            let mut written = Vec::with_capacity(sides.len());
            for (word, picture) in sides {
                let rgba = picture.to_rgba().map_err(|e| e.to_string())?;
                written.push(write(&folder, &format!("f{id:06}-{word}"), &rgba)?);
            }
            Ok(ExportDone::Saved(written))
        }
        ExportJob::Crop { id, sides, part, folder } => {
            let mut cut = Vec::with_capacity(sides.len());
            let mut words = Vec::with_capacity(sides.len());
            for (word, picture) in sides {
                let rgba = picture.to_rgba().map_err(|e| e.to_string())?;
                cut.push(crop(&rgba, part)?);
                words.push(word);
            }
            out(beside(&cut)?, &format!("f{id:06}-{}", words.join("-")), folder)
        }
        ExportJob::View { image, part, folder } => {
            let size = |w: usize, h: usize| Size::try_from_wide(w as u64, h as u64).map_err(|e| e.to_string());
            let [w, h] = image.size;
            let data = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b(), 255]).collect();
            out(crop(&Rgba { size: size(w, h)?, data }, part)?, "view", folder)
        }
        ExportJob::Text { name, ending, text, folder } => {
            let path = place(&folder, &name, ending)?;
            atomic_file::write(&path, |file| file.write_all(text.as_bytes()))
                .map_err(|e| format!("{} cannot be written: {e}.", path.display()))?;
            Ok(ExportDone::Saved(vec![path]))
        }
        ExportJob::Read { id, sides } => {
            let read = |(side, picture): (SideChoice, Picture)| picture.to_rgba().map(|rgba| (side, rgba));
            let sides: Result<Vec<_>, _> = sides.into_iter().map(read).collect();
            Ok(ExportDone::Read { id, sides: sides.map_err(|e| e.to_string())? })
        }
    }
}

/// Into a file or to the clipboard.
fn out(rgba: Rgba, name: &str, folder: Option<PathBuf>) -> Result<ExportDone, String> {
    match folder {
        Some(folder) => Ok(ExportDone::Saved(vec![write(&folder, name, &rgba)?])),
        None => {
            let size = [rgba.size.width() as usize, rgba.size.height() as usize];
            Ok(ExportDone::Copied(ColorImage::from_rgba_unmultiplied(size, &rgba.data)))
        }
    }
}

fn write(folder: &Path, name: &str, rgba: &Rgba) -> Result<PathBuf, String> {
    let path = place(folder, name, "png")?;
    report::write_png(&path, rgba).map_err(|e| e.to_string())?;
    Ok(path)
}

/// A file in the folder, which is made if need be; its name begins with the time in UTC.
pub(crate) fn place(folder: &Path, name: &str, ending: &str) -> Result<PathBuf, String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("The folder {} cannot be made: {e}.", folder.display()))?;
    let now = date(OffsetDateTime::now_utc());
    Ok(folder.join(format!("clearcall-{now}-{name}.{ending}")))
}

/// Date and time as in file names: 20261124-131415.
fn date(at: OffsetDateTime) -> String {
    let (month, day) = (u8::from(at.month()), at.day());
    format!("{:04}{month:02}{day:02}-{:02}{:02}{:02}", at.year(), at.hour(), at.minute(), at.second())
}

/// The pixels that lie in `part`, at least one.
fn crop(rgba: &Rgba, part: Part) -> Result<Rgba, String> {
    let (w, h) = (rgba.size.width(), rgba.size.height());
    let range = |from: f32, to: f32, n: u32| {
        let first = ((from * n as f32).round().max(0.0) as u32).min(n - 1);
        let last = ((to * n as f32).round().max(0.0) as u32).clamp(first + 1, n);
        (first, last)
    };
    let ((x0, x1), (y0, y1)) = (range(part[0], part[2], w), range(part[1], part[3], h));
    let size = Size::new(x1 - x0, y1 - y0).map_err(|e| e.to_string())?;
    let rows = (y0..y1).flat_map(|y| {
        let row = 4 * (y as usize * w as usize);
        &rgba.data[row + 4 * x0 as usize..row + 4 * x1 as usize]
    });
    Ok(Rgba { size, data: rows.copied().collect() })
}

/// Pictures in a row; smaller ones are brought to the first one's size by repeating pixels.
fn beside(pictures: &[Rgba]) -> Result<Rgba, String> {
    let first = pictures.first().ok_or("there is no picture to save")?.size;
    let width = first.width().saturating_mul(pictures.len() as u32);
    let size = Size::new(width, first.height()).map_err(|e| e.to_string())?;
    let mut data = Vec::with_capacity(4 * size.pixels());
    for y in 0..first.height() {
        for picture in pictures {
            let (w, h) = (u64::from(picture.size.width()), u64::from(picture.size.height()));
            let row = u64::from(y) * h / u64::from(first.height()) * w;
            for x in 0..first.width() {
                let at = 4 * (row + u64::from(x) * w / u64::from(first.width())) as usize;
                data.extend_from_slice(&picture.data[at..at + 4]);
            }
        }
    }
    Ok(Rgba { size, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(w: u32, h: u32) -> Rgba {
        let size = Size::new(w, h).unwrap();
        Rgba { size, data: (0..size.pixels()).flat_map(|i| [i as u8, 0, 0, 255]).collect() }
    }

    fn reds(rgba: &Rgba) -> Vec<u8> {
        rgba.data.chunks(4).map(|p| p[0]).collect()
    }

    #[test]
    fn a_part_is_cut_out_and_never_empty() {
        let picture = numbered(4, 3);
        let cut = crop(&picture, [0.25, 1.0 / 3.0, 0.75, 1.0]).unwrap();
        assert_eq!((cut.size, reds(&cut)), (Size::new(2, 2).unwrap(), vec![5, 6, 9, 10]));
        assert_eq!(reds(&crop(&picture, [0.5, 0.5, 0.5, 0.5]).unwrap()), [10]);
        assert_eq!(crop(&picture, [-1.0, -1.0, 9.0, 9.0]).unwrap().size, picture.size);
    }

    #[test]
    fn pictures_stand_beside_each_other_at_one_size() {
        let both = beside(&[numbered(4, 2), numbered(2, 1)]).unwrap();
        assert_eq!(reds(&both), [0, 1, 2, 3, 0, 0, 1, 1, 4, 5, 6, 7, 0, 0, 1, 1]);
        assert!(beside(&[]).is_err());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |s| date(OffsetDateTime::from_unix_timestamp(s).unwrap());
        assert_eq!(date(0), "19700101-000000");
        assert_eq!(date(951_868_799), "20000229-235959");
        assert_eq!(date(1_798_761_599), "20261231-235959");
        assert_eq!(date(4_107_542_400), "21000301-000000");
    }

    #[test]
    fn what_was_begun_is_whole_when_the_window_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let room = ExportWorker::start(Arc::new(|| {})).unwrap();
        let sides = || vec![("bicubic".to_owned(), Picture::Cpu(Arc::new(numbered(960, 720))))];
        // A picture of the window that is still on its way keeps its door.
        let door = room.door();
        for id in 0..4 {
            assert!(room.give(ExportJob::Sides { id, sides: sides(), folder: folder.path().to_owned() }));
        }
        drop(room);
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 4, "{files:?}");
        assert!(files.iter().all(|file| image::open(file).unwrap().height() == 720));
        assert!(!door.give(ExportJob::Read { id: 0, sides: Vec::new() }));
    }

    #[test]
    fn sides_and_crops_become_files_and_a_bad_folder_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = sync_channel(8);
        let room = ExportWorker::start(Arc::new(move || {
            let _ = tell.try_send(());
        }))
        .unwrap();
        let sides = || vec![("bicubic".to_owned(), Picture::Cpu(Arc::new(numbered(4, 3))))];
        let deep = folder.path().join("a/b");
        assert!(room.give(ExportJob::Sides { id: 7, sides: sides(), folder: deep.clone() }));
        assert!(room.give(ExportJob::Crop { id: 7, sides: sides(), part: [0.0, 0.0, 0.5, 1.0], folder: None }));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let no = folder.path().join("file");
        assert!(room.give(ExportJob::Sides { id: 7, sides: sides(), folder: no }));
        (0..3).for_each(|_| told.recv().unwrap());
        let done = room.done();
        let [ExportDone::Saved(files), ExportDone::Copied(image), ExportDone::Failed(why)] = &done[..] else {
            panic!()
        };
        assert!(files[0].starts_with(&deep) && files[0].to_string_lossy().ends_with("-f000007-bicubic.png"));
        assert_eq!(image::open(&files[0]).unwrap().width(), 4);
        assert_eq!(image.size, [2, 3]);
        assert!(why.contains("file"), "{why}");
    }
}
