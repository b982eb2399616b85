//! The camera's behaviour with cameras that do everything wrong.

use super::*;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex},
};

/// Holds threads until it is opened, which dropping it does.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

enum DriverStep {
    /// A grey picture of this luma.
    Picture(u8),
    /// Too few bytes.
    Garbage,
    Fail(&'static str),
    Block(Gate),
    Panic,
}

/// What one attempt to open the camera meets.
enum Opening {
    Fails(CameraError),
    Blocks(Gate),
    Sends(Vec<DriverStep>),
}

struct Fake {
    openings: Mutex<VecDeque<Opening>>,
}

struct FakeDevice(VecDeque<DriverStep>);

impl Backend for Fake {
    fn open(&self, number: u32, _: &FormatRequest) -> Result<Box<dyn Device>, CameraError> {
        let opening = self.openings.lock().unwrap().pop_front();
        match opening {
            Some(Opening::Sends(steps)) => Ok(Box::new(FakeDevice(steps.into()))),
            Some(Opening::Fails(e)) => Err(e),
            Some(Opening::Blocks(gate)) => {
                gate.pass();
                Err(CameraError::None(number))
            }
            None => Err(CameraError::None(number)),
        }
    }
}

impl Device for FakeDevice {
    fn about(&self) -> About {
        let format = Format { width: 4, height: 2, fps: 30, pixels: Pixels::Grey };
        About { name: "Fake".into(), format }
    }

    fn read(&mut self) -> Result<Raw, String> {
        let raw = |luma, n| Raw {
            bytes: vec![luma; n].into(),
            size: Size::new(4, 2).unwrap(),
            pixels: Pixels::Grey,
            captured: Instant::now(),
        };
        match self.0.pop_front() {
            Some(DriverStep::Picture(luma)) => Ok(raw(luma, 8)),
            Some(DriverStep::Garbage) => Ok(raw(0, 3)),
            Some(DriverStep::Fail(why)) => Err(why.into()),
            Some(DriverStep::Block(gate)) => {
                gate.pass();
                self.read()
            }
            Some(DriverStep::Panic) => panic!("a driver's bug, on purpose"),
            None => Err("script over".into()),
        }
    }
}

const MS: Duration = Duration::from_millis(1);

/// Long where a test expects something, short where it expects nothing.
const PATIENCE: Patience = Patience {
    open: Duration::from_secs(20),
    first: Duration::from_secs(20),
    next: Duration::from_secs(20),
    turn: MS,
    retry: MS,
    stuck: Duration::from_secs(20),
    grace: Duration::from_secs(20),
};

fn open(openings: Vec<Opening>, patience: Patience) -> Result<Camera, CameraError> {
    let wish = Wish { size: Size::new(4, 2).unwrap(), fps: 30.0 };
    let wanted = FormatRequest { format: None, wish };
    Camera::open_with(Arc::new(Fake { openings: Mutex::new(openings.into()) }), 7, wanted, patience)
}

/// The luma of the next picture, or the notice.
fn next(camera: &mut Camera) -> Result<u8, String> {
    match camera.next().unwrap() {
        Event::Frame(frame) => Ok(frame.y().row(0)[0]),
        Event::Lost(why) => Err(why),
        Event::Ended => panic!("a camera never ends"),
    }
}

/// Asks until a picture comes.
fn until_picture(camera: &mut Camera) -> (u8, Vec<String>) {
    let mut notices = Vec::new();
    loop {
        match next(camera) {
            Ok(luma) => return (luma, notices),
            Err(why) => notices.push(why),
        }
    }
}

#[test]
fn pictures_count_up_and_the_newest_wins() {
    let (first, second) = (Gate::default(), Gate::default());
    let steps = vec![
        DriverStep::Picture(1),
        DriverStep::Block(first.clone()),
        DriverStep::Picture(2),
        DriverStep::Picture(3),
        DriverStep::Garbage,
        DriverStep::Picture(4),
        DriverStep::Block(second.clone()),
    ];
    let mut camera = open(vec![Opening::Sends(steps)], PATIENCE).unwrap();
    assert_eq!((camera.size().to_string(), camera.fps(), camera.live()), ("4x2".into(), 30.0, true));
    assert_eq!(camera.name(), "camera 7 (Fake)");
    let Event::Frame(frame) = camera.next().unwrap() else { panic!() };
    assert_eq!((frame.stamp.id, frame.y().row(0)[0]), (0, 1));
    first.open();
    let mut seen = Vec::new();
    while seen.last() != Some(&4) {
        seen.push(next(&mut camera).unwrap());
    }
    assert!(seen.is_sorted() && seen.len() <= 3, "{seen:?}");
    second.open();
}

#[test]
fn an_unplugged_camera_is_told_and_taken_up_again() {
    let gate = Gate::default();
    let openings = vec![
        Opening::Sends(vec![DriverStep::Picture(1), DriverStep::Fail("No such device")]),
        Opening::Fails(CameraError::None(7)),
        Opening::Fails(CameraError::Refused { number: 7, why: "busy".into() }),
        Opening::Sends(vec![DriverStep::Picture(9), DriverStep::Block(gate.clone())]),
    ];
    let mut camera = open(openings, PATIENCE).unwrap();
    assert_eq!(next(&mut camera), Ok(1));
    let (luma, notices) = until_picture(&mut camera);
    assert_eq!(luma, 9);
    assert!(notices.len() >= 3, "{notices:?}");
    assert!(notices.iter().all(|n| *n == notices[0]), "one notice, repeated");
    assert!(notices[0].contains("camera 7 (Fake)") && notices[0].contains("No such device"), "{}", notices[0]);
    gate.open();
}

#[test]
fn a_camera_that_falls_silent_is_told_and_goes_on() {
    let (gate, end) = (Gate::default(), Gate::default());
    let steps = vec![
        DriverStep::Picture(1),
        DriverStep::Block(gate.clone()),
        DriverStep::Picture(2),
        DriverStep::Block(end.clone()),
    ];
    let mut camera = open(vec![Opening::Sends(steps)], Patience { next: MS, ..PATIENCE }).unwrap();
    assert_eq!(next(&mut camera), Ok(1));
    let why = next(&mut camera).unwrap_err();
    assert!(why.contains("no pictures"), "{why}");
    gate.open();
    assert_eq!(until_picture(&mut camera).0, 2);
    end.open();
}

#[test]
fn a_camera_that_hangs_for_ever_is_given_up_and_opened_anew() {
    let (stuck, end) = (Gate::default(), Gate::default());
    let openings = vec![
        Opening::Sends(vec![DriverStep::Picture(1), DriverStep::Block(stuck.clone())]),
        Opening::Sends(vec![DriverStep::Picture(5), DriverStep::Block(end.clone())]),
    ];
    let mut camera = open(openings, Patience { next: MS, stuck: MS, ..PATIENCE }).unwrap();
    assert_eq!(next(&mut camera), Ok(1));
    while camera.stuck.is_empty() {
        assert!(next(&mut camera).is_err());
    }
    camera.patience.stuck = PATIENCE.stuck;
    assert_eq!(until_picture(&mut camera).0, 5);
    stuck.open();
    end.open();
}

#[test]
fn threads_that_hang_do_not_multiply() {
    let gate = Gate::default();
    let hang = |_| Opening::Sends(vec![DriverStep::Block(gate.clone())]);
    let patience = Patience { first: MS, stuck: Duration::ZERO, ..PATIENCE };
    let mut camera = open((0..20).map(hang).collect(), patience).unwrap();
    for _ in 0..50 {
        assert!(next(&mut camera).is_err());
    }
    assert_eq!(camera.stuck.len(), MAX_STUCK);
    assert!(camera.worker.is_none());
    gate.open();
}

#[test]
fn dropping_never_waits_for_a_driver_that_hangs() {
    let gate = Gate::default();
    let steps = vec![DriverStep::Picture(1), DriverStep::Block(gate.clone())];
    let mut camera = open(vec![Opening::Sends(steps)], Patience { grace: MS, ..PATIENCE }).unwrap();
    assert_eq!(next(&mut camera), Ok(1));
    drop(camera);
    gate.open();
}

#[test]
fn a_driver_that_panics_is_a_lost_camera() {
    let openings = vec![Opening::Sends(vec![DriverStep::Picture(1), DriverStep::Panic])];
    let mut camera = open(openings, PATIENCE).unwrap();
    assert_eq!(next(&mut camera), Ok(1));
    assert!(next(&mut camera).unwrap_err().contains("driver failed"));
}

#[test]
fn a_camera_that_sends_only_garbage_is_lost_and_says_so() {
    let steps = (0..40).map(|_| DriverStep::Garbage).collect();
    let mut camera = open(vec![Opening::Sends(steps)], PATIENCE).unwrap();
    let why = next(&mut camera).unwrap_err();
    assert!(why.contains("too few"), "{why}");
}

#[test]
fn what_cannot_be_opened_says_why() {
    let e = open(vec![], PATIENCE).err().unwrap().to_string();
    assert!(e.contains("no camera 7") && e.contains("clearcall devices") && e.contains("--source scene"), "{e}");
    let gate = Gate::default();
    let patience = Patience { open: MS, grace: MS, ..PATIENCE };
    let e = open(vec![Opening::Blocks(gate.clone())], patience).err().unwrap();
    assert!(matches!(e, CameraError::Silent { number: 7, .. }), "{e}");
    gate.open();
}

#[test]
fn the_systems_own_cameras_have_no_such_number() {
    let wish = Wish { size: Size::new(640, 480).unwrap(), fps: 30.0 };
    let e = Camera::open(4_000_000, None, wish).err().unwrap().to_string();
    assert!(e.contains("--source scene"), "{e}");
}
