//! Files that are there whole or not at all, however many programs write them at once.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

/// Writes a file by `fill` under a name of its own beside `path`, and gives it its name when it is complete. When
/// that fails, what was at `path` before is still there. What is no regular file, as a pipe, is written as it is.
///
/// # Errors
///
/// The folder is not there, the disk is full, or what else `fill` or the system says.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // Behind a link lies the file that is meant.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|m| !m.is_file()) {
        return fill(&mut OpenOptions::new().write(true).open(&path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".clearcall-").suffix(".part");
    #[cfg(unix)]
    {
        // As any new file has it: tempfile's own are for nobody else to read.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut part = builder.tempfile_in(folder)?;
    fill(part.as_file_mut())?;
    part.persist(&path).map(drop).map_err(|e| e.error)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_fails_half_way_leaves_what_was_there_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, |file| file.write_all(b"first")).unwrap();
        let half = write(&path, |file| {
            file.write_all(b"sec")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(half.unwrap_err().to_string(), "full");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, |file| file.write_all(b"2")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert!(write(&folder.path().join("no/folder"), |_| Ok(())).is_err());
        assert!(write(folder.path(), |_| Ok(())).is_err(), "a folder is no file");
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_it_as_they_may_any_new_file_and_a_link_stays_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let [path, plain, link] = ["a", "plain", "link"].map(|name| folder.path().join(name));
        write(&path, |file| file.write_all(b"1")).unwrap();
        File::create(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, |file| file.write_all(b"2")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }
}
