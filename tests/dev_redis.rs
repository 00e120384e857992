//! `dev/redis` leaves the machine as it was, apart from the server that it installs. The tests run it with
//! tools that only pretend.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what a test expects")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal as signal_handler};

/// The tools that are real.
const TOOLS: &[&str] = &[
    "bash", "cat", "chmod", "dirname", "env", "grep", "head", "rm", "sed", "sh", "sleep", "tee",
    "touch", "uname",
];

/// A machine with Debian's tools and without Redis.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("dev")).unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("dev/redis");
        fs::copy(script, dir.path().join("dev/redis")).unwrap();
        let machine = Self { dir };
        for tool in TOOLS {
            let path = std::env::var_os("PATH").unwrap();
            let found = std::env::split_paths(&path)
                .map(|folder| folder.join(tool))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{tool} is on the PATH"));
            std::os::unix::fs::symlink(found, machine.tool(tool)).unwrap();
        }
        machine.pretend("id", "echo 0");
        machine.pretend("systemctl", r#"[ "$1" != cat ]"#);
        machine.pretend("dpkg-query", "exit 1");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tool(&self, name: &str) -> PathBuf {
        self.path("bin").join(name)
    }

    /// Adds a tool that writes its arguments into the log, and then does this.
    fn pretend(&self, name: &str, script: &str) {
        let log = self.path("log");
        let text = format!(
            "#!/bin/sh\necho {name} \"$@\" >>{}\n{script}\n",
            log.display()
        );
        let tool = self.tool(name);
        fs::write(&tool, text).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// An apt-get that installs a server, if services are blocked.
    fn pretend_apt(&self) {
        let server = self.tool("redis-server");
        let (policy, server) = (self.policy(), server.display().to_string());
        let script = format!(
            "[ \"$1\" != install ] && exit\ngrep -q 'exit 101' {} || exit 1\n\
             printf '#!/bin/sh\\necho Redis server v=7.2.4 sha=0\\n' >{server}\nchmod 755 {server}",
            policy.display()
        );
        self.pretend("apt-get", &script);
    }

    fn policy(&self) -> PathBuf {
        self.path("policy-rc.d")
    }

    fn start(&self) -> Child {
        Command::new(self.tool("bash"))
            .arg(self.path("dev/redis"))
            .env("PATH", self.path("bin"))
            .env("RASYNQ_POLICY_RC_D", self.policy())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    fn run(&self) -> Output {
        self.start().wait_with_output().unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

#[test]
fn a_new_server_is_installed_while_services_are_blocked_and_does_not_start_with_the_machine() {
    let machine = Machine::new();
    machine.pretend_apt();
    let output = machine.run();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        shown.trim(),
        machine.tool("redis-server").to_str().unwrap(),
        "{output:?}"
    );
    assert!(!machine.policy().exists(), "the block is removed");
    assert!(machine.calls().contains("systemctl disable redis-server"));
}

#[test]
fn a_service_that_was_there_before_is_neither_upgraded_nor_disabled() {
    let by_package = |machine: &Machine| machine.pretend("dpkg-query", "echo install ok installed");
    let by_unit = |machine: &Machine| machine.pretend("systemctl", "exit 0");
    for set_up in [&by_package as &dyn Fn(&Machine), &by_unit] {
        let machine = Machine::new();
        machine.pretend_apt();
        machine.pretend("redis-server", "echo Redis server v=5.0.7 sha=0");
        set_up(&machine);
        let output = machine.run();
        // There is no other way to a server on this machine.
        assert!(!output.status.success(), "{output:?}");
        let calls = machine.calls();
        assert!(
            !calls.contains("apt-get") && !calls.contains("disable"),
            "{calls}"
        );
        assert!(!machine.policy().exists());
    }
}

#[tokio::test]
async fn the_block_on_service_starts_does_not_outlive_a_signal() {
    for (kind, signal) in [
        (SignalKind::interrupt(), "INT"),
        (SignalKind::terminate(), "TERM"),
        (SignalKind::hangup(), "HUP"),
    ] {
        // A process ignores what its parent ignores, and bash cannot trap that: a shell script without job control
        // starts its background jobs so. A signal that this process handles has its default effect in the script.
        let _handled = signal_handler(kind).unwrap();
        let machine = Machine::new();
        machine.pretend("apt-get", "touch \"$(dirname \"$0\")/../begun\"; sleep 600");
        let child = machine.start();
        let begin = Instant::now();
        while !machine.path("begun").exists() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "apt-get is called"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(machine.policy().exists());
        // As a terminal does it: to the script and to what it runs.
        let group = format!("-{}", child.id());
        let sent = Command::new("bash")
            .arg("-c")
            .arg(format!("kill -{signal} -- {group}"))
            .status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        assert!(
            !machine.policy().exists(),
            "{signal} {:?}",
            output.status.signal()
        );
    }
}

#[test]
fn a_block_of_somebody_else_stays_and_one_that_was_left_behind_does_not() {
    let machine = Machine::new();
    machine.pretend_apt();
    fs::write(machine.policy(), "#!/bin/sh\nexit 101\n").unwrap();
    assert!(machine.run().status.success());
    assert!(machine.policy().exists());

    let machine = Machine::new();
    machine.pretend_apt();
    let left = "#!/bin/sh\n# made by dev/redis of rasynq\nexit 101\n";
    fs::write(machine.policy(), left).unwrap();
    assert!(machine.run().status.success());
    assert!(!machine.policy().exists());
}
