//! What the compiler says of wrong handlers and wrong derives: each file in `cases` is compiled alone.
//!
//! A comment `//~ TEXT` at the end of a line expects an error on this line whose message contains TEXT.
//! Every error must be expected, and every expected error must come. A file without such a comment must
//! compile. Only the first line of an error is compared, because the rest is the compiler's own.
#![cfg(feature = "macros")]
#![expect(clippy::unwrap_used, reason = "what a test expects")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that the cases use.
const CRATES: [&str; 4] = ["anyhow", "prost", "rasynq", "serde"];

#[test]
fn each_mistake_is_named_at_its_place_and_nothing_else_is_said() {
    let libraries = libraries();
    let mut cases: Vec<_> = fs::read_dir(root().join("tests/compile_errors/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 3, "the cases were found");
    let scratch = tempfile::tempdir().unwrap();
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let expected = expected(&fs::read_to_string(case).unwrap());
            let actual = errors(case, &libraries, scratch.path());
            (!fits(&expected, &actual)).then(|| {
                let name = case.file_name().unwrap().display();
                format!(
                    "{name}\n  expected:{}\n  actual:{}",
                    listed(&expected),
                    listed(&actual)
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Errors = Vec<(u64, String)>;

fn listed(errors: &Errors) -> String {
    let lines = errors
        .iter()
        .map(|(line, text)| format!("\n    {line}: {text}"));
    lines.collect()
}

fn fits(expected: &Errors, actual: &Errors) -> bool {
    expected.len() == actual.len()
        && expected
            .iter()
            .zip(actual)
            .all(|((line, text), (at, message))| line == at && message.contains(text))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The libraries that this test was built with. Cargo only looks them up.
fn libraries() -> BTreeMap<String, PathBuf> {
    // The same features, also `default`: otherwise Cargo would build another variant.
    let mut features = vec!["macros"];
    features.extend(cfg!(feature = "default").then_some("default"));
    features.extend(cfg!(feature = "tls").then_some("tls"));
    let mut cargo = Command::new(env!("CARGO"));
    // What Cargo tells this test about itself would be a change for build scripts.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| told(name)) {
        cargo.env_remove(name);
    }
    let listed = cargo
        .args([
            "build",
            "--locked",
            "--offline",
            "--quiet",
            "--message-format=json",
        ])
        .args([
            "--package",
            "rasynq",
            "--test",
            "compile_errors",
            "--no-default-features",
        ])
        .args(["--features", &features.join(",")])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let mut libraries = BTreeMap::new();
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let is_library = message["target"]["kind"]
            .as_array()
            .is_some_and(|kinds| kinds[0] == "lib");
        let files = message["filenames"].as_array().into_iter().flatten();
        let rlib = files
            .filter_map(Value::as_str)
            .find(|file| file.ends_with(".rlib"));
        if let (true, true, Some(rlib)) = (is_library, CRATES.contains(&name), rlib) {
            libraries.insert(name.to_owned(), PathBuf::from(rlib));
        }
    }
    assert_eq!(libraries.len(), CRATES.len(), "{libraries:?}");
    libraries
}

/// The lines and texts of the comments `//~ TEXT`.
fn expected(source: &str) -> Errors {
    let lines = (1..).zip(source.lines());
    lines
        .filter_map(|(line, text)| Some((line, text.split_once("//~ ")?.1.to_owned())))
        .collect()
}

/// The lines and messages of the compiler's errors, sorted.
fn errors(case: &Path, libraries: &BTreeMap<String, PathBuf>, scratch: &Path) -> Errors {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let dependencies = libraries["rasynq"].parent().unwrap();
    // The libraries at the top are copies without a hash; the others are in `deps`.
    let dependencies = match dependencies.ends_with("deps") {
        true => dependencies.to_owned(),
        false => dependencies.join("deps"),
    };
    let mut compiler = Command::new(rustc);
    compiler
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--error-format=json",
        ])
        .arg(format!("-Ldependency={}", dependencies.display()))
        .arg("--out-dir")
        .arg(scratch);
    for (name, library) in libraries {
        compiler.arg(format!("--extern={name}={}", library.display()));
    }
    let output = compiler.arg(case).current_dir(root()).output().unwrap();
    let mut errors: Errors = String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|message| message["level"] == "error")
        .filter_map(|message| {
            let spans = message["spans"].as_array()?;
            // "aborting due to … errors" has no place.
            let primary = spans.iter().find(|span| span["is_primary"] == true)?;
            // An error of an expanded macro is at the macro's call.
            let line = outermost(primary, case)["line_start"].as_u64()?;
            Some((line, message["message"].as_str()?.to_owned()))
        })
        .collect();
    errors.sort();
    errors
}

/// The place in the case that a span stands for.
fn outermost<'m>(span: &'m Value, case: &Path) -> &'m Value {
    let is_in_case = span["file_name"]
        .as_str()
        .is_some_and(|file| case.ends_with(file) || Path::new(file) == case);
    match &span["expansion"]["span"] {
        call if !is_in_case && call.is_object() => outermost(call, case),
        _ => span,
    }
}
