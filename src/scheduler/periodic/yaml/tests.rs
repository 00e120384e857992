//! Reading and watching a file.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::*;

const ONE: &str = "configs: [{cronspec: '@daily', task_type: one}]";
const TWO: &str = "configs: [{cronspec: '@daily', task_type: two}]";

fn directory() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tasks.yaml");
    (directory, path)
}

async fn types(file: &YamlFile) -> Vec<String> {
    let entries = file.configs().await.unwrap();
    let type_of = |entry: &Entry| entry.task.as_ref().unwrap().task_type().to_owned();
    entries.iter().map(type_of).collect()
}

async fn error(file: &YamlFile) -> String {
    format!("{:#}", file.configs().await.expect_err("it fails"))
}

/// Waits for a change, and checks that it took no longer than a second.
async fn changes(file: &YamlFile) {
    let begin = Instant::now();
    timeout(Duration::from_secs(10), file.changed())
        .await
        .unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
}

async fn does_not_change(file: &YamlFile) {
    let waiting = timeout(POLL_INTERVAL * 3, file.changed()).await;
    waiting.expect_err("nothing has changed");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let (directory, path) = directory();
    let file = YamlFile::new(&path);
    let name = path.display();
    assert_eq!(
        error(&file).await,
        format!("cannot read {name}: No such file or directory (os error 2)")
    );
    fs::write(&path, b"configs:\n- task_type: '\xff'\n").unwrap();
    assert_eq!(
        error(&file).await,
        format!("{name}:2: this line is not UTF-8")
    );
    fs::write(&path, b"configs:\n- task_type: a\n").unwrap();
    assert_eq!(
        error(&file).await,
        format!("{name}:2:3: this entry has no \"cronspec\"")
    );
    fs::File::create(&path)
        .unwrap()
        .set_len(MAX_SIZE + 1)
        .unwrap();
    assert_eq!(
        error(&file).await,
        format!("cannot read {name}: it is larger than 16 MiB")
    );
    let name = directory.path().display();
    let file = YamlFile::new(directory.path());
    assert_eq!(
        error(&file).await,
        format!("cannot read {name}: it is not a regular file")
    );
}

#[tokio::test]
async fn a_file_that_is_written_or_replaced_has_changed_within_a_second() {
    let (directory, path) = directory();
    fs::write(&path, ONE).unwrap();
    let file = YamlFile::new(&path);
    assert_eq!(types(&file).await, ["one"]);
    does_not_change(&file).await;
    fs::write(&path, TWO).unwrap();
    changes(&file).await;
    assert_eq!(types(&file).await, ["two"]);
    let other = directory.path().join("other.yaml");
    fs::write(&other, ONE).unwrap();
    fs::rename(&other, &path).unwrap();
    changes(&file).await;
    assert_eq!(types(&file).await, ["one"]);
    does_not_change(&file).await;
}

#[tokio::test]
async fn a_file_that_vanishes_has_changed_and_again_when_it_is_back() {
    let (_directory, path) = directory();
    fs::write(&path, ONE).unwrap();
    let file = YamlFile::new(&path);
    assert_eq!(types(&file).await, ["one"]);
    fs::remove_file(&path).unwrap();
    changes(&file).await;
    error(&file).await;
    does_not_change(&file).await;
    fs::write(&path, ONE).unwrap();
    changes(&file).await;
    assert_eq!(types(&file).await, ["one"]);
}

/// The volume of a Kubernetes ConfigMap: `tasks.yaml` → `..data/tasks.yaml`, and `..data` → a directory. An update
/// replaces the link `..data`.
#[tokio::test]
async fn a_link_on_the_way_that_points_elsewhere_is_a_change() {
    let (directory, path) = directory();
    let at = |name: &str| directory.path().join(name);
    for (version, text) in [("..1", ONE), ("..2", TWO)] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("tasks.yaml"), text).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/tasks.yaml", &path).unwrap();
    let file = YamlFile::new(&path);
    assert_eq!(types(&file).await, ["one"]);
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    changes(&file).await;
    assert_eq!(types(&file).await, ["two"]);
}

#[tokio::test]
async fn a_file_that_is_being_written_counts_when_it_rests() {
    let (_directory, path) = directory();
    fs::write(&path, ONE).unwrap();
    let file = YamlFile::new(&path);
    assert_eq!(types(&file).await, ["one"]);
    let writes = async {
        for n in 0..12 {
            fs::write(&path, format!("configs: # {n}")).unwrap();
            tokio::time::sleep(POLL_INTERVAL / 3).await;
        }
        fs::write(&path, TWO).unwrap();
    };
    let ((), ()) = tokio::join!(writes, file.changed());
    assert_eq!(types(&file).await, ["two"]);
}
