//! The command line: what it answers, and with which exit code.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "starts the built binary on files; a test stops at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name).with_extension("toml")
}

/// A file of this test alone.
fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Exit code, standard output and standard error.
fn firn_sim<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_firn-sim")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_scenario_passes_twice_and_is_reported() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    let path = scenario("two-requests");
    let args = ["run".as_ref(), path.as_os_str(), "--twice".as_ref(), "--report".as_ref(), folder.as_os_str()];
    let (exit, shown, problems) = firn_sim(args);
    assert_eq!(exit, 0, "{shown}{problems}");
    assert!(shown.contains("two-requests") && shown.contains("1 runs, 0 failed"), "{shown}");
    for file in
        ["report.json", "junit.xml", "probes.json", "two-requests-1.timeline.html", "two-requests-1.trace.jsonl"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

#[test]
fn what_is_not_met_has_its_exit_code() {
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    for (name, from, to, expected) in [
        ("liveness", "signed = \"100%\"", "signed = \"<= 50%\"", 2),
        ("bad", "[expect]", "[expects]", 4),
        ("checker", "signed = \"100%\"", "violates = \"T1\"", 1),
        ("probe", "signed = \"100%\"", "probes = \"rival-refused\"", 5),
        ("region", "us-east-1", "us-east-11", 4),
    ] {
        let path = written(&format!("{name}.toml"), &text.replace(from, to));
        let (exit, shown, problems) = firn_sim(["run".as_ref(), path.as_os_str()]);
        assert_eq!(exit, expected, "{name}: {shown}{problems}");
    }
}

#[test]
fn a_typo_is_named_with_line_key_and_near_match() {
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    let path = written("typo.toml", &text.replace("deadline =", "deadlin ="));
    let (exit, _, problems) = firn_sim(["replay".as_ref(), path.as_os_str()]);
    let line = text.lines().position(|line| line.starts_with("deadline")).unwrap() + 1;
    assert_eq!(exit, 4);
    for part in [&format!("line {line}:"), "workload[0].deadlin", "did you mean `deadline`?", "SCENARIO_UNKNOWN_KEY"] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

/// Requests, and how many were signed, refused, expired, excused and violated, out of a line of sums.
fn ends(line: &str) -> Option<[u64; 6]> {
    let sums = line.split("; ").find(|part| part.contains(" requests: "))?;
    let number = |end: &str| {
        let (before, _) = sums.split_once(&format!(" {end}"))?;
        before.rsplit(' ').next()?.parse().ok()
    };
    let [requests, signed, refused] = ["requests", "signed", "refused"].map(number);
    let [expired, excused, violated] = ["expired", "excused", "violated"].map(number);
    Some([requests?, signed?, refused?, expired?, excused?, violated?])
}

#[test]
fn a_swarm_is_the_same_each_time_and_adds_up() {
    let tally = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tally.toml");
    let corpus = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let args = ["swarm".as_ref(), "--seeds".as_ref(), "2".as_ref(), "--tally".as_ref(), tally.as_os_str()];
    let args = args.into_iter().chain(["--corpus".as_ref(), corpus.as_os_str()]);
    // As written before ends were counted one by one.
    let before = "next = 1\nseeds = 0\nfailed = 0\nevents = 0\nsimulated_s = 0\nrequests = 7\nsigned = 7\n";
    std::fs::write(&tally, format!("{before}[violations]\n[probes]\n")).unwrap();
    let mut signed = 0;
    for sum in ["2 seeds in all", "4 seeds in all"] {
        let (_, shown, problems) = firn_sim(args.clone());
        let lines: Vec<_> = shown.lines().filter_map(|line| Some((line, ends(line)?))).collect();
        let [(_, now), (last, all)] = lines.as_slice() else { panic!("{shown}{problems}") };
        assert!(last.starts_with(sum), "{shown}{problems}");
        for [requests, parts @ ..] in [now, all] {
            assert_eq!(*requests, parts.iter().sum::<u64>(), "every request has ended somehow: {shown}");
        }
        signed += now[1];
        assert_eq!(all[1], 7 + signed, "{shown}");
    }
}

#[test]
fn codes_are_explained_and_scenarios_listed() {
    for code in ["SCENARIO_UNIT", "N1", "L1", "EXPECT", "takeover", "3"] {
        let (exit, shown, problems) = firn_sim(["explain", code]);
        assert_eq!((exit, shown.lines().count()), (0, 1), "{code}: {shown}{problems}");
    }
    for (code, says) in
        [("takover", "did you mean `takeover`?"), ("scenario_unti", "`SCENARIO_UNIT`"), ("xyzzy", "lists")]
    {
        let (exit, shown, problems) = firn_sim(["explain", code]);
        assert_eq!((exit, shown.as_str(), problems.lines().count()), (4, "", 1), "{problems}");
        assert!(problems.contains(says) && problems.len() < 120, "{code}: {problems}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (exit, shown, _) = firn_sim(["list".as_ref(), folder.as_os_str()]);
    assert_eq!(exit, 0);
    assert!(shown.lines().count() >= 25 && shown.contains("exactly-t-then-fewer"), "{shown}");
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let (exit, _, problems) = firn_sim(["replay".as_ref(), written("journal", "what?").as_os_str()]);
    assert_eq!(exit, 4);
    assert!(problems.contains("JOURNAL_"), "{problems}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arg in ["explain", "list"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut command = Command::new(env!("CARGO_BIN_EXE_firn-sim"));
        command.arg(arg).stdout(writer);
        if arg == "list" {
            command.arg(folder);
        }
        let output = command.output().unwrap();
        let problems = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), problems.as_str()), (Some(0), ""), "{arg}");
    }
}

#[test]
fn wrong_arguments_are_not_taken_for_liveness() {
    for args in [&["run", "--twise"][..], &["explode"], &["run"], &[], &["swarm", "--seeds", "many"]] {
        let (exit, shown, problems) = firn_sim(args);
        assert_eq!((exit, shown.as_str()), (4, ""), "{args:?}: {problems}");
        assert!(problems.contains("--help"), "{args:?}: {problems}");
    }
    for arg in ["--help", "--version"] {
        assert_eq!(firn_sim([arg]).0, 0, "{arg}");
    }
}

#[test]
fn nothing_run_is_not_passed() {
    let folder = |name: &str| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder.to_str().unwrap().to_owned()
    };
    let (empty, full, file) = (folder("empty"), folder("full"), scenario("two-requests"));
    std::fs::copy(&file, Path::new(&full).join("two-requests.toml")).unwrap();
    for (args, says) in [
        (&["run", &empty][..], "no scenario (.toml) in"),
        (&["run", &empty, &empty], "no scenario (.toml) in"),
        (&["run", &full, "--runs", "0"], "0 is not in 1.."),
        (&["swarm", "--seeds", "0"], "0 is not in 1.."),
        (&["swarm", "--time-limit", "0s"], "before the first seed"),
    ] {
        let (exit, shown, problems) = firn_sim(args);
        assert_eq!(exit, 4, "{args:?}: {shown}{problems}");
        assert!(problems.contains(says), "{args:?}: {problems}");
    }
    let (exit, shown, problems) = firn_sim(["run", &full, &empty]);
    assert_eq!(exit, 0, "an empty folder beside one that is not: {shown}{problems}");
}

#[test]
fn what_was_not_measured_was_not_met() {
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    let signed = "signed = \"100%\"";
    let latency = "p50_latency = \"<= 9x floor\"\np99_latency = \"<= 9x floor\"";
    let none: String = text.split_inclusive("\n\n").filter(|part| !part.contains("[[workload]]")).collect();
    // All nodes are down from the beginning.
    let down = format!("{text}\n[[fault]]\nat = \"0s\"\ncrash = \"*\"\n");
    for (name, text, expected, says) in [
        ("none-signed", &none, signed, &["no request was posted, expected signed >= 100%"][..]),
        ("none-at-most", &none, "signed = \"<= 50%\"", &["no request was posted, expected signed <= 50%"]),
        ("none-timed", &none, latency, &["p50 of latency has no sample", "p99 of latency has no sample"]),
        ("none-known", &down, latency, &["p50 of latency has no sample", "p99 of latency has no sample"]),
    ] {
        let path = written(&format!("{name}.toml"), &text.replace(signed, expected));
        let (exit, shown, problems) = firn_sim(["run".as_ref(), path.as_os_str()]);
        assert_eq!(exit, 2, "{name}: {shown}{problems}");
        assert!(says.iter().all(|says| shown.contains(says)), "{name}: {shown}");
    }
}

#[test]
fn what_cannot_be_shrunk_says_why() {
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    let signed = "signed = \"100%\"";
    for (name, expected, says) in [
        ("shrink-passes", signed, "passes, so there is nothing to shrink"),
        ("shrink-expect", "signed = \"<= 50%\"", "fails only its [expect] table (2 of 2 requests were signed"),
        ("shrink-probe", "probes = \"rival-refused\"", "(a probe never fired); no invariant is violated"),
        ("shrink-checker", "violates = \"T1\"", "(an invariant that had to be violated was not)"),
    ] {
        let path = written(&format!("{name}.toml"), &text.replace(signed, expected));
        let (exit, shown, problems) = firn_sim(["shrink".as_ref(), path.as_os_str()]);
        assert_eq!((exit, shown.as_str()), (4, ""), "{name}: {problems}");
        assert!(problems.contains(says), "{name}: {problems}");
    }
}

#[test]
fn a_scenario_on_a_matrix_of_the_user_runs_in_its_folder() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix");
    std::fs::create_dir_all(&folder).unwrap();
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    let (regions, ours) = ("eu-central-1 = 1, eu-west-1 = 1", "moon = 2");
    let text = text.replace(regions, ours).replace("us-east-1", "mars");
    std::fs::write(folder.join("ours.toml"), format!("{text}\n[network]\nlatency = \"solar\"\n")).unwrap();
    let run = || firn_sim(["run".as_ref(), folder.as_os_str()]);
    let _ = std::fs::remove_file(folder.join("solar.matrix.toml"));
    let (exit, _, problems) = run();
    assert!(exit == 4 && problems.contains("put solar.matrix.toml beside the scenario"), "{problems}");
    let matrix = "name = \"solar\"\ndate = \"2026-01\"\nsource = \"ours\"\nlicence = \"any\"\n\
        [rtt.moon]\nmoon = { p50 = \"2ms\" }\nmars = { p50 = \"900ms\" }\n[rtt.mars]\nmars = { p50 = \"3ms\" }\n";
    std::fs::write(folder.join("solar.matrix.toml"), matrix).unwrap();
    let (exit, shown, problems) = run();
    assert_eq!(exit, 0, "{shown}{problems}");
    assert!(shown.contains("1 runs, 0 failed"), "{shown}");
}

#[test]
fn crash_points_count_and_have_files_of_their_own() {
    let text = std::fs::read_to_string(scenario("two-requests")).unwrap();
    let text = text.replace("count = 2", "count = 1");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("points");
    let _ = std::fs::remove_dir_all(&folder);
    let run = |name: &str, expected: &str| {
        let path = written(name, &text.replace("signed = \"100%\"", expected));
        let args =
            ["run".as_ref(), path.as_os_str(), "--crash-points".as_ref(), "--report".as_ref(), folder.as_os_str()];
        let (exit, shown, problems) = firn_sim(args);
        let points = shown.lines().find_map(|line| line.strip_suffix(" crash points tried")).map(str::to_owned);
        let points: usize = points.unwrap_or_else(|| panic!("{shown}{problems}")).parse().unwrap();
        assert!(points > 20, "{shown}");
        (exit, shown, points)
    };
    let timelines = || {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".timeline.html")).collect::<Vec<_>>()
    };
    // What passes is counted, and has a line and files only for the run without a crash.
    let (exit, shown, points) = run("points-pass.toml", "signed = \"100%\"");
    assert_eq!(exit, 0, "{shown}");
    assert!(shown.contains(&format!("{} runs, 0 failed; {} requests", points + 1, points + 1)), "{shown}");
    assert_eq!(timelines(), ["two-requests-1.timeline.html"]);
    let (exit, shown, points) = run("points-fail.toml", "signed = \"<= 50%\"");
    assert_eq!(exit, 2);
    assert!(shown.contains(&format!("{} runs, {} failed", points + 1, points + 1)), "{shown}");
    assert_eq!(timelines().len(), points + 1);
    assert!(timelines().contains(&"two-requests-1-node-3-effect-1.timeline.html".to_owned()));
}
