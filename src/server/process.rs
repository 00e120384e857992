//! What identifies a process, so that another process on the same machine can tell whether it still exists. Linux
//! only: elsewhere no process has a mark.

use std::fmt;
use std::str::FromStr;

/// The mark of a process. Two processes never have the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessMark {
    /// The boot of the machine, and the namespaces in which the process sees process ids and times.
    machine: String,
    /// The user of the process.
    uid: u32,
    pid: u32,
    /// When the process started (ticks since the boot). A process id is used again, with another start.
    started: u64,
}

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It exists. It may be frozen.
    Lives,
    /// It has certainly ended.
    Gone,
    /// It is, or was, on another machine, or cannot be seen.
    Unknown,
}

impl ProcessMark {
    /// The mark of this process.
    #[cfg(target_os = "linux")]
    pub(super) fn of_this_process() -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let pid = std::process::id();
        let namespace = |kind: &str| {
            let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
            let digits = link.to_str()?.chars().filter(char::is_ascii_digit);
            Some(digits.collect::<String>())
        };
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let stat = Stat::read("self").ok()??;
        // A /proc of another namespace shows other ids.
        if stat.pid != pid || boot.trim().is_empty() || boot.trim().contains(char::is_whitespace) {
            return None;
        }
        Some(Self {
            machine: format!(
                "{}/{}/{}",
                boot.trim(),
                namespace("pid")?,
                namespace("time").unwrap_or_default()
            ),
            uid: std::fs::metadata("/proc/self").ok()?.uid(),
            pid,
            started: stat.started,
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of_this_process() -> Option<Self> {
        None
    }

    /// What this process knows of the process with another mark.
    pub(super) fn fate_of(&self, other: &Self) -> Fate {
        if self.machine != other.machine {
            return Fate::Unknown;
        }
        match Stat::read(&other.pid.to_string()) {
            Ok(Some(stat)) if stat.started == other.started && !stat.is_dead => Fate::Lives,
            Ok(Some(stat)) if stat.pid == other.pid => Fate::Gone,
            Ok(Some(_)) => Fate::Unknown,
            // Some systems hide the processes of other users, and also the first process of the system.
            Ok(None) if self.uid == other.uid || matches!(Stat::read("1"), Ok(Some(_))) => {
                Fate::Gone
            }
            Ok(None) | Err(_) => Fate::Unknown,
        }
    }
}

/// The parts of `/proc/<pid>/stat` that matter.
struct Stat {
    pid: u32,
    /// All threads have ended. Only the parent has not asked for the result yet.
    is_dead: bool,
    started: u64,
}

impl Stat {
    /// `None`: there is no such process.
    fn read(process: &str) -> std::io::Result<Option<Self>> {
        let stat = match std::fs::read_to_string(format!("/proc/{process}/stat")) {
            Ok(stat) => stat,
            // The second error is "no such process": it ended while the file was read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(3) => return Ok(None),
            Err(error) => return Err(error),
        };
        let parsed = Self::parse(&stat);
        parsed
            .map(Some)
            .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }

    fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(' ')?;
        // The name of the program is in parentheses, and may contain spaces and parentheses itself.
        let (_name, fields) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let (state, threads, started) = (fields.first()?, fields.get(17)?, fields.get(19)?);
        Some(Self {
            pid: pid.parse().ok()?,
            // The first thread may have ended while others go on.
            is_dead: matches!(*state, "Z" | "X" | "x") && threads.parse::<u32>().ok()? <= 1,
            started: started.parse().ok()?,
        })
    }
}

/// The form in Redis.
impl fmt::Display for ProcessMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine,
            uid,
            pid,
            started,
        } = self;
        write!(f, "{machine} {uid} {pid} {started}")
    }
}

impl FromStr for ProcessMark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        let [machine, uid, pid, started] = words[..] else {
            return Err(());
        };
        Ok(Self {
            machine: machine.to_owned(),
            uid: uid.parse().map_err(drop)?,
            pid: pid.parse().map_err(drop)?,
            started: started.parse().map_err(drop)?,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    fn this() -> ProcessMark {
        ProcessMark::of_this_process().expect("Linux shows processes")
    }

    /// The mark of a child of this process.
    fn mark_of(child: &std::process::Child) -> ProcessMark {
        let stat = Stat::read(&child.id().to_string()).expect("readable");
        ProcessMark {
            pid: child.id(),
            started: stat.expect("it exists").started,
            ..this()
        }
    }

    #[test]
    fn a_mark_is_the_same_after_it_was_stored() {
        assert_eq!(this().to_string().parse(), Ok(this()));
        assert_eq!("a b c".parse::<ProcessMark>(), Err(()));
    }

    #[test]
    fn a_process_lives_until_it_is_killed_even_if_it_is_frozen() {
        assert_eq!(this().fate_of(&this()), Fate::Lives);
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
        let mark = mark_of(&child);
        assert_eq!(this().fate_of(&mark), Fate::Lives);
        let stop = Command::new("kill")
            .args(["-STOP", &child.id().to_string()])
            .status();
        assert!(stop.expect("kill").success());
        assert_eq!(this().fate_of(&mark), Fate::Lives);
        child.kill().expect("it runs");
        // It is gone before its parent has asked for its result, and also afterwards.
        while this().fate_of(&mark) == Fate::Lives {
            std::thread::yield_now();
        }
        assert_eq!(this().fate_of(&mark), Fate::Gone);
        child.wait().expect("it has ended");
        assert_eq!(this().fate_of(&mark), Fate::Gone);
    }

    #[test]
    fn a_process_id_that_another_process_has_now_is_gone() {
        let earlier = ProcessMark {
            started: this().started - 1,
            ..this()
        };
        assert_eq!(this().fate_of(&earlier), Fate::Gone);
    }

    #[test]
    fn nothing_is_known_of_processes_on_other_machines() {
        let elsewhere = ProcessMark {
            machine: "another".to_owned(),
            ..this()
        };
        assert_eq!(this().fate_of(&elsewhere), Fate::Unknown);
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "42 (a) b (c)) Z 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0 0";
        let stat = Stat::parse(stat).expect("valid");
        assert_eq!((stat.pid, stat.is_dead, stat.started), (42, true, 777));
    }
}
