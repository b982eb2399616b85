//! Runs the program as a user does, and draws the little clips that it is given.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Nothing here takes this long; a program that hangs is ended, and the test fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The command line, for messages.
    #[expect(dead_code, reason = "read by Debug, in messages")]
    pub(crate) line: String,
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ran {
    /// It must have ended well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// It must have ended with `code`, and its message must name each of `words` (in any case).
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        let said = self.err.to_lowercase();
        for word in words {
            assert!(said.contains(&word.to_lowercase()), "the message does not say '{word}': {self:#?}");
        }
        self
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("standard output is not JSON ({e}): {self:#?}"))
    }
}

/// A command that has no display, no colours and no logging set from outside.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearcall"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_RUNTIME_DIR", "RUST_LOG", "CLEARCALL_LOG"] {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `clearcall ARGS` to its end.
pub(crate) fn clearcall(args: &[&str]) -> Ran {
    Running::start(command(args)).wait()
}

/// The same in another folder.
pub(crate) fn clearcall_in(folder: &Path, args: &[&str]) -> Ran {
    let mut command = command(args);
    command.current_dir(folder);
    Running::start(command).wait()
}

/// Starts `clearcall ARGS`, to be talked to.
pub(crate) fn started(args: &[&str]) -> Running {
    let mut command = command(args);
    command.stdin(Stdio::piped());
    Running::start(command)
}

/// A program that is still running.
pub(crate) struct Running {
    line: String,
    child: Child,
    out: thread::JoinHandle<String>,
    err: thread::JoinHandle<String>,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let mut child = command.spawn().expect("the program starts");
        let (tell, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            line: format!("clearcall {}", args.join(" ")),
            child,
            out: collect(stdout, tell.clone()),
            err: collect(stderr, tell),
            lines,
        }
    }

    /// The next line, of either stream, that holds `word`.
    pub(crate) fn line_with(&self, word: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(word) => return line,
                Ok(_) => {}
                Err(e) => panic!("{}: no line with '{word}' ({e})", self.line),
            }
        }
    }

    /// Types a line into its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// Ends it; for programs whose end says nothing.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, as a shell or a service manager does: "INT", "TERM".
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.expect("there is a shell").success());
    }

    /// Waits for its end. Whatever it was, it must not have panicked, and nothing in a pipe is drawn
    /// for a terminal.
    pub(crate) fn wait(mut self) -> Ran {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if Instant::now() > until => {
                    let _ = self.child.kill();
                    break self.child.wait().expect("it can be waited for");
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        let out = self.out.join().expect("it was read");
        let err = self.err.join().expect("it was read");
        let ran = Ran { line: self.line, code: status.code().unwrap_or(-1), out, err };
        assert_ne!(ran.code, -1, "it was ended by a signal, or hung: {ran:#?}");
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("panicked"), "{ran:#?}");
            assert!(!text.contains(['\r', '\x1b']), "drawn for a terminal, but it is a pipe: {ran:#?}");
        }
        ran
    }
}

fn collect(stream: impl Read + Send + 'static, tell: mpsc::Sender<String>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = String::new();
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line);
            all.push_str(&text);
            let _ = tell.send(text.trim_end().to_owned());
            line.clear();
        }
        all
    })
}

/// A folder of its own for one test.
pub(crate) struct Room(tempfile::TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a folder"))
    }

    /// Where `name` lies in it; the folder itself for "".
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text, for a command line.
    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary folders have plain names").to_owned()
    }

    /// Writes `bytes` to `name`.
    pub(crate) fn holds(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("it can be written");
        self.at(name)
    }

    /// Two pictures to learn from, in a folder of their own.
    #[cfg(feature = "train")]
    pub(crate) fn pictures(&self) -> String {
        let folder = self.path("pictures");
        fs::create_dir(&folder).expect("it can be made");
        for n in 0..2_u32 {
            let pixel = |x: u32, y: u32| {
                image::Rgb([(x * 2 + 90 * n) as u8, (x * y / 9) as u8, ((x / 8 + y / 6) % 2 * 190) as u8])
            };
            let picture = image::RgbImage::from_fn(400, 320, pixel);
            picture.save(folder.join(format!("{n}.png"))).expect("it can be written");
        }
        self.at("pictures")
    }

    /// Draws a clip of `frames` pictures in YUV4MPEG2.
    pub(crate) fn clip(&self, name: &str, width: usize, height: usize, frames: usize) -> String {
        let mut file = fs::File::create(self.path(name)).expect("it can be written");
        file.write_all(&y4m(width, height, frames)).expect("it can be written");
        self.at(name)
    }
}

/// Waves, a fine grid and a bright disc that moves: something to encode and something to sharpen.
pub(crate) fn y4m(width: usize, height: usize, frames: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n").into_bytes();
    let (w, h) = (width as f32, height as f32);
    for t in 0..frames {
        bytes.extend_from_slice(b"FRAME\n");
        let at = t as f32 * 1.5;
        for y in 0..height {
            for x in 0..width {
                let (fx, fy) = (x as f32, y as f32);
                let waves = 30.0 * ((fx + at) * 0.11).sin() + 25.0 * (fy * 0.17).cos();
                let grid = if (x + t) % 16 < 2 || y % 16 < 2 { 35.0 } else { 0.0 };
                let (dx, dy) = (fx - w * 0.5 - at, fy - h * 0.5);
                let disc = if dx * dx + dy * dy < h * h * 0.06 { 60.0 } else { 0.0 };
                bytes.push((105.0 + waves + grid + disc).clamp(16.0, 235.0) as u8);
            }
        }
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        for plane in 0..2 {
            for y in 0..ch {
                for x in 0..cw {
                    let slope = if plane == 0 { x * 60 / cw } else { y * 60 / ch };
                    bytes.push((98 + slope) as u8);
                }
            }
        }
    }
    bytes
}

/// Bytes that are no picture, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

/// The first lines of a file, as text.
pub(crate) fn head(path: &Path) -> String {
    let bytes = fs::read(path).expect("it was written");
    String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
}
