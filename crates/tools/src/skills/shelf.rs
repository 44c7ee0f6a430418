//! A directory of skills: what is in it, and nothing that lies elsewhere.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, File, FileType, MetadataExt, OpenOptions, OpenOptionsExt};
use memchr::memchr;
use rustix::fs::OFlags;

use super::header::Header;
use crate::call::{Refusal, Watch};

const DIRECTORY: &str = ".skills";

/// The file that makes a directory one skill.
const SKILL: &str = "SKILL.md";

const EXTENSION: &str = ".md";

/// How many directories lead to a skill at most.
const DEPTH: usize = 6;

/// The most entries of one directory. One that has more is left out: which of them come first is for nobody to say.
const ENTRIES: usize = 2000;

/// The most entries of all directories together, and the most skills that are taken.
const ALL_ENTRIES: usize = 20_000;
const SKILLS: usize = 500;

/// The most bytes of a name.
const NAME_BYTES: usize = 128;

/// How far into a file its name and its summary are looked for.
const HEADER_BYTES: usize = 8 << 10;

/// The most bytes of a skill.
const TEXT_BYTES: usize = 256 << 10;

/// Whether something can be the name of a skill.
pub(super) fn is_name(name: &str) -> bool {
    let harmless = !name.contains(['/', '\\']) && !name.contains("..") && !name.contains(char::is_control);
    harmless && (1..=NAME_BYTES).contains(&name.len()) && name.trim() == name
}

/// A directory of skills that is open. Names are resolved inside it, by the system where it can do that, so that no
/// link leads out, whenever it is made.
pub(super) struct Shelf {
    root: Arc<Dir>,
    /// What a model can call it.
    shown: PathBuf,
}

/// One skill of a shelf.
pub(super) struct Skill {
    root: Arc<Dir>,
    path: PathBuf,
    pub(super) summary: Option<String>,
    /// Where more files belong to it, as a model can call it.
    material: Option<PathBuf>,
}

impl Shelf {
    /// That of a conversation's directory, if it has one that lies inside it.
    pub(super) fn of_directory(cwd: &Path) -> Option<Self> {
        if !cwd.is_absolute() {
            return None;
        }
        let root = Dir::open_ambient_dir(cwd, ambient_authority()).ok()?.open_dir(DIRECTORY).ok()?;
        Some(Self { root: Arc::new(root), shown: DIRECTORY.into() })
    }

    /// That of the user, wherever it lies.
    pub(super) fn of_home(home: &Path) -> Option<Self> {
        let shown = home.join(DIRECTORY);
        let root = Dir::open_ambient_dir(&shown, ambient_authority()).ok()?;
        Some(Self { root: Arc::new(root), shown })
    }

    /// All skills with their names. Of two with one name, the first is the one that counts: it lies less deep, or comes
    /// first by its path. What cannot be read is left out.
    pub(super) fn skills(&self, watch: &Watch) -> Result<Vec<(String, Skill)>, Refusal> {
        let mut skills = Vec::new();
        for candidate in self.candidates(watch)? {
            watch.check()?;
            skills.extend(self.skill(candidate));
        }
        Ok(skills)
    }

    fn skill(&self, candidate: Candidate) -> Option<(String, Skill)> {
        let Candidate { path, name, names_itself, material } = candidate;
        let (bytes, _) = read(&self.root, &path, HEADER_BYTES).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let header = Header::of(&text);
        let own = header.name.filter(|name| names_itself && is_name(name));
        let name = own.or(is_name(&name).then_some(name))?;
        let material = material.map(|directory| self.shown.join(directory));
        Some((name, Skill { root: self.root.clone(), path, summary: header.summary, material }))
    }

    /// The files that may be skills, the less deep ones first.
    fn candidates(&self, watch: &Watch) -> Result<Vec<Candidate>, Refusal> {
        let mut candidates = Vec::new();
        // By identity, so that links lead around in no circle.
        let mut seen = HashSet::new();
        let mut entries = 0;
        let mut level = vec![PathBuf::from(".")];
        for _ in 0..=DEPTH {
            let mut deeper = Vec::new();
            for path in level {
                watch.check()?;
                let Some(directory) = self.directory(&path, &mut seen) else { continue };
                candidates.extend(directory.skills);
                deeper.extend(directory.directories);
                entries += directory.entries;
                if candidates.len() >= SKILLS || entries >= ALL_ENTRIES {
                    candidates.truncate(SKILLS);
                    return Ok(candidates);
                }
            }
            deeper.sort();
            level = deeper;
        }
        Ok(candidates)
    }

    /// None: it cannot be read, has been, or is too large.
    fn directory(&self, path: &Path, seen: &mut HashSet<(u64, u64)>) -> Option<Directory> {
        let dir = self.root.open_dir(path).ok()?;
        let metadata = dir.dir_metadata().ok()?;
        if !seen.insert((metadata.dev(), metadata.ino())) {
            return None;
        }
        let entries: Vec<_> = dir.entries().ok()?.take(ENTRIES + 1).collect();
        if entries.len() > ENTRIES {
            return None;
        }
        let count = entries.len();
        let named = |entry: io::Result<DirEntry>| {
            let entry = entry.ok()?;
            Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?))
        };
        let mut entries: Vec<(String, FileType)> = entries.into_iter().filter_map(named).collect();
        entries.retain(|(name, _)| !name.starts_with('.'));
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let is_file = |path: &Path| self.root.metadata(path).is_ok_and(|found| found.is_file());

        let own = path.file_name().and_then(|name| name.to_str());
        let has_skill = || entries.iter().any(|(name, _)| name == SKILL) && is_file(&path.join(SKILL));
        if let Some(own) = own.filter(|_| has_skill()) {
            let material = (entries.len() > 1).then(|| path.strip_prefix(".").unwrap_or(path).to_owned());
            let (path, name) = (path.join(SKILL), own.to_owned());
            let skill = Candidate { path, name, names_itself: true, material };
            return Some(Directory { skills: vec![skill], directories: Vec::new(), entries: count });
        }
        let mut found = Directory { skills: Vec::new(), directories: Vec::new(), entries: count };
        for (name, kind) in entries {
            let path = path.join(&name);
            match name.strip_suffix(EXTENSION) {
                Some(stem) if is_file(&path) => {
                    let name = stem.to_owned();
                    found.skills.push(Candidate { path, name, names_itself: false, material: None });
                }
                Some(_) | None if kind.is_dir() || kind.is_symlink() => found.directories.push(path),
                Some(_) | None => {}
            }
        }
        Some(found)
    }
}

struct Directory {
    skills: Vec<Candidate>,
    /// And links, which may lead to one.
    directories: Vec<PathBuf>,
    /// How many entries it has in all.
    entries: usize,
}

struct Candidate {
    path: PathBuf,
    /// By its file or its directory.
    name: String,
    /// Whether front matter may give it another name.
    names_itself: bool,
    /// The directory of a skill that has more in it.
    material: Option<PathBuf>,
}

impl Skill {
    /// What a model is to read, as it is now.
    pub(super) fn text(&self) -> Result<String, Refusal> {
        let failed = |why: String| Refusal::new(format!("the skill cannot be read: {why}"));
        let (bytes, size) =
            read(&self.root, &self.path, TEXT_BYTES).map_err(|error| failed(error.to_string()))?;
        if memchr(0, &bytes).is_some() {
            return Err(failed("it is a binary file".to_owned()));
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut said = match &self.material {
            Some(directory) => format!("(The files of this skill are in {}.)\n\n", directory.display()),
            None => String::new(),
        };
        said.push_str(Header::of(&text).body);
        if size > bytes.len() as u64 {
            said.push_str(&format!(
                "\n[cut: the file has {size} bytes; these are the first {}]",
                bytes.len()
            ));
        }
        if said.trim().is_empty() { Ok("(The skill is empty.)".to_owned()) } else { Ok(said) }
    }
}

/// The first bytes of a file, whole characters, and how many there are in all. Never waits for a peer, as the open of a
/// pipe would.
fn read(root: &Dir, path: &Path, limit: usize) -> io::Result<(Vec<u8>, u64)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file: File = root.open_with(path, OpenOptions::new().read(true).custom_flags(flags))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() <= limit {
        let size = bytes.len() as u64;
        return Ok((bytes, size));
    }
    let is_inner = |byte: u8| byte & 0xC0 == 0x80;
    let back = (0..4).find(|back| !is_inner(bytes[limit - back])).unwrap_or(0);
    bytes.truncate(limit - back);
    Ok((bytes, metadata.len().max(limit as u64 + 1)))
}
