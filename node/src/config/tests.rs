//! Precedence, strictness, and the API's address.

use std::path::Path;

use super::*;
use firn_proto::time::WallTime;

const FILE: &str = "\
node = 'alpha-1'
listen = ['/ip4/10.0.0.1/tcp/7600']
[api]
listen = '127.0.0.1:9000'
[chain]
rpc = 'https://rpc.example/v1/canary'
";

fn parse(file: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
    Config::parse(&Layers::merge(Path::new("config.toml"), file, overrides)?)
}

fn environment(name: &str, value: &str) -> Overrides {
    Overrides { environment: vec![(name.to_owned(), value.to_owned())], flags: vec![] }
}

fn flag(key: &'static str, value: &str) -> Overrides {
    Overrides { environment: vec![], flags: vec![(key, value.to_owned())] }
}

#[track_caller]
fn check_refused(result: Result<Config, ConfigError>, code: &str, names: &str) {
    let error = result.expect_err("must be refused");
    let shown = format!("{error} {error:?} {}", error.hint());
    assert_eq!(error.code(), code, "{shown}");
    assert!(shown.contains(names), "{shown} names {names}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_small_file_is_enough() {
    let config = parse(FILE, &Overrides::default()).unwrap();
    assert_eq!(config.node, "alpha-1");
    assert_eq!(config.listen, ["/ip4/10.0.0.1/tcp/7600".parse::<Multiaddr>().unwrap()]);
    assert_eq!(config.api.listen.port(), 9000);
    assert_eq!(config.chain.rpc[0].expose().host_str(), Some("rpc.example"));
    assert_eq!(config.unseal.passphrase_file, None);
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let mut overrides = environment("FIRN__API__LISTEN", "127.0.0.1:9001");
    assert_eq!(parse("node='a'\nchain.rpc='http://x'", &Overrides::default()).unwrap().api.listen.port(), 7401);
    assert_eq!(parse(FILE, &overrides).unwrap().api.listen.port(), 9001);
    overrides.flags.push(("api.listen", "[::1]:9002".to_owned()));
    let layers = Layers::merge(Path::new("config.toml"), FILE, &overrides).unwrap();
    assert_eq!(Config::parse(&layers).unwrap().api.listen.port(), 9002);
    assert_eq!(layers.origin("api.listen"), Origin::Flag);
    assert_eq!(layers.origin("node"), Origin::File);
    assert_eq!(layers.origin("unseal.passphrase_file"), Origin::Default);
    assert_eq!(layers.origins().count(), 17);
}

#[test]
fn lists_and_paths_fit_into_variables() {
    let overrides = environment("FIRN__LISTEN", "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2");
    assert_eq!(parse(FILE, &overrides).unwrap().listen.len(), 2);
    let overrides = environment("FIRN__UNSEAL__PASSPHRASE_FILE", "/run/credentials/1");
    let file = parse(FILE, &overrides).unwrap().unseal.passphrase_file;
    assert_eq!(file.as_deref(), Some(Path::new("/run/credentials/1")));
    assert!(parse(FILE, &environment("HOME", "/root")).is_ok());
}

#[test]
fn an_unknown_key_is_refused_with_its_nearest_neighbour() {
    let append = |line: &str| parse(&format!("{line}\n{FILE}"), &Overrides::default());
    check_refused(append("lisen = 'canary'"), "CONFIG_UNKNOWN_KEY", "did you mean listen?");
    check_refused(
        append("unseal.pasphrase_file = 'canary'"),
        "CONFIG_UNKNOWN_KEY",
        "did you mean unseal.passphrase_file?",
    );
    check_refused(append("passphrase_file = 'canary'"), "CONFIG_UNKNOWN_KEY", "mean unseal.passphrase_file?");
    check_refused(append("threshold = 3"), "CONFIG_UNKNOWN_KEY", "network definition");
    check_refused(append("unseal.deep.er = 3"), "CONFIG_UNKNOWN_KEY", "unseal.deep");
    let overrides = environment("FIRN__API__LISTN", "127.0.0.1:1");
    check_refused(parse(FILE, &overrides), "CONFIG_UNKNOWN_KEY", "FIRN__API__LISTN");
    // A secret has no key to be put under, only a file to be named.
    let overrides = environment("FIRN__UNSEAL__PASSPHRASE", "canary");
    check_refused(parse(FILE, &overrides), "CONFIG_UNKNOWN_KEY", "unseal.passphrase_file");
}

#[test]
fn r64_an_api_beyond_loopback_is_refused() {
    for address in ["0.0.0.0:9000", "10.0.0.1:9000", "[::]:9000", "[::ffff:127.0.0.1]:9000", "192.168.0.1:1"] {
        check_refused(parse(FILE, &flag("api.listen", address)), "API_NOT_LOOPBACK", address);
    }
    for address in ["127.0.0.1:0", "127.8.8.8:1", "[::1]:9000"] {
        parse(FILE, &flag("api.listen", address)).unwrap();
    }
}

#[test]
fn an_evidence_verifier_is_this_machines_or_shows_a_certificate() {
    for plain in ["http://10.0.0.1/check", "http://verifier.example/", "http://localhost:9/", "http://[::2]:9/"] {
        let refused = parse(FILE, &flag("evidence.endpoint", plain));
        check_refused(refused, "EVIDENCE_ENDPOINT_INSECURE", "evidence.endpoint (command line)");
    }
    check_refused(parse(FILE, &flag("evidence.endpoint", "http://host/canary")), "EVIDENCE_ENDPOINT_INSECURE", "https");
    for sound in ["https://verifier.example/check", "http://127.0.0.1:9/check", "http://127.8.8.8/", "http://[::1]:9/"]
    {
        parse(FILE, &flag("evidence.endpoint", sound)).unwrap();
    }
}

#[test]
fn a_webhook_is_this_machines_or_shows_a_certificate_and_has_its_secret_in_a_file() {
    let with = |lines: &str| parse(&format!("{FILE}[webhook]\n{lines}"), &Overrides::default());
    for plain in ["http://10.0.0.1/hook", "http://localhost:9/canary", "http://[::2]:9/"] {
        let refused = with(&format!("url = '{plain}'\nsecret_file = '/s'"));
        check_refused(refused, "WEBHOOK_INSECURE", "webhook.url (config.toml)");
    }
    for sound in ["https://hook.example/canary", "http://127.0.0.1:9/", "http://[::1]:9/"] {
        let config = with(&format!("url = '{sound}'\nsecret_file = '/s'")).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
    }
    check_refused(with("url = 'ftp://hook/'\nsecret_file = '/s'"), "CONFIG_INVALID_VALUE", "webhook.url");
    check_refused(with("url = 'https://hook/'"), "CONFIG_INVALID_VALUE", "secret_file");
    check_refused(with("url = 'https://hook/'\nsecret = 'canary'"), "CONFIG_UNKNOWN_KEY", "webhook.secret");
}

#[test]
fn values_that_do_not_fit_are_refused_by_key_and_origin() {
    check_refused(parse(FILE, &flag("api.listen", "localhost")), "CONFIG_INVALID_VALUE", "api.listen (command line)");
    check_refused(parse(FILE, &flag("listen", "/ip4/nowhere")), "CONFIG_INVALID_VALUE", "listen (command line)");
    check_refused(parse(FILE, &flag("listen", "")), "CONFIG_INVALID_VALUE", "listen");
    check_refused(parse(FILE, &flag("node", "")), "CONFIG_INVALID_VALUE", "node");
    check_refused(parse(FILE, &flag("chain.rpc", "ws://host/canary")), "CONFIG_INVALID_VALUE", "ws://host/...");
    check_refused(parse(FILE, &flag("chain.rpc", "canary")), "CONFIG_INVALID_VALUE", "chain.rpc (command line)");
    for (endpoints, reason) in
        [("[]", "1 to 8"), ("['http://a/canary', 'http://a/canary']", "http://a/... is there twice")]
    {
        let text = format!("node = 'a'\nchain.rpc = {endpoints}");
        check_refused(parse(&text, &Overrides::default()), "CONFIG_INVALID_VALUE", reason);
    }
    for number in ["0", "-1", "two", ""] {
        check_refused(parse(FILE, &flag("chain.agree", number)), "CONFIG_INVALID_VALUE", "a number above zero");
    }
    check_refused(parse("node = 'a'", &Overrides::default()), "CONFIG_MISSING_KEY", "chain.rpc");
    check_refused(parse("node = 3", &Overrides::default()), "CONFIG_INVALID_VALUE", "node");
    check_refused(parse("node = 'a'\napi = 'canary'", &Overrides::default()), "CONFIG_UNKNOWN_KEY", "api");
    check_refused(parse("node = 'a'\nkey = canary\n", &Overrides::default()), "CONFIG_SYNTAX", "line 2");
}

#[test]
fn an_rpc_address_is_shown_by_its_host() {
    let config = parse(FILE, &Overrides::default()).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("https://rpc.example/..."), "{shown}");
    assert!(!shown.contains("canary"));
    assert_eq!(config.chain.rpc[0].expose().path(), "/v1/canary");
    let with = |url: &str| parse(FILE, &flag("chain.rpc", url)).unwrap().chain.rpc[0].to_string();
    assert_eq!(with("https://canary:canary@host/"), "https://host/...");
    assert_eq!(with("https://host/?key=canary"), "https://host/...");
}

/// `FILE` with an API for other machines, and one part of that replaced.
fn remote(from: &str, to: &str) -> Result<Config, ConfigError> {
    let fingerprint = "Ab:".repeat(31) + "cd";
    let table = format!(
        "[api.remote]\nlisten = '0.0.0.0:7402'\ncertificate = '/c'\nkey = '/k'\nca = '/a'\n\
         [[api.remote.clients]]\nname = 'ines'\nfingerprint = '{fingerprint}'\nrole = 'auditor'\n"
    );
    assert!(table.contains(from), "{from}");
    parse(&(FILE.to_owned() + &table.replacen(from, to, 1)), &Overrides::default())
}

#[test]
fn r64_an_api_for_other_machines_takes_certificates_and_listed_clients() {
    let config = remote("", "").unwrap();
    let (local, remote_api) = (config.api.listen, config.api.remote.unwrap());
    assert!(local.ip().is_loopback());
    assert_eq!((remote_api.listen.port(), remote_api.crl, remote_api.clients.len()), (7402, None, 1));
    assert_eq!(remote_api.clients[0].fingerprint.0[..2], [0xab, 0xab]);
    assert_eq!(remote_api.clients[0].role.as_str(), "auditor");
    for (from, to, names) in [
        ("role = 'auditor'", "role = 'root'", "api.remote.clients"),
        ("role = 'auditor'\n", "", "role"),
        ("fingerprint = 'Ab:", "fingerprint = '", "fingerprint"),
        ("fingerprint = 'Ab:", "fingerprint = 'zz:", "fingerprint"),
        ("name = 'ines'", "name = 'ines'\nsubject = 'CN=ines'", "subject"),
        ("ca = '/a'\n", "", "ca"),
        ("key = '/k'\n", "", "key"),
        ("[[api.remote.clients]]", "clients = []\n[[api.remotes]]", "api.remotes"),
    ] {
        let error = remote(from, to).expect_err(to);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(names), "{to}: {shown}");
    }
    let one = "[[api.remote.clients]]";
    let client = format!("{one}\nname = 'twice'\nfingerprint = '{}'\nrole = 'operator'\n{one}", "ab".repeat(31) + "cd");
    check_refused(remote(one, &client), "CONFIG_INVALID_VALUE", "one certificate, one role");
    check_refused(remote("certificate = '/c'", "certificates = '/c'"), "CONFIG_UNKNOWN_KEY", "certificate");
    let crl = remote("ca = '/a'", "ca = '/a'\ncrl = '/r'").unwrap().api.remote.unwrap().crl;
    assert_eq!(crl.as_deref(), Some(Path::new("/r")));
    let overrides = environment("FIRN__API__REMOTE__CLIENTS", "ines");
    check_refused(parse(FILE, &overrides), "CONFIG_INVALID_VALUE", "a list of tables");
}

#[test]
fn r53_nothing_refreshes_by_itself_that_leaves_every_backup_stale() {
    let both = "[backup]\nrecipients = ['age1']\ndirectory = '/b'\n";
    let after = "[keys]\nrefresh_after = 60\n";
    let of = |text: &str| parse(&format!("{FILE}{text}"), &Overrides::default());
    assert!(of(&format!("{after}{both}")).is_ok());
    assert!(of(&format!("{after}[backup]\npolicy = 'waived'\n")).is_ok());
    for (text, names) in [
        (after.to_owned(), "keys.refresh_after"),
        (format!("{after}[backup]\nrecipients = ['age1']\n"), "keys.refresh_after"),
        ("[backup]\ndirectory = '/b'\n".to_owned(), "backup.recipients"),
        (format!("{after}{}", both.replace("/b", "b")), "backup.directory"),
        (format!("[keys]\nrefresh_window = '01:00-02:00'\n{both}"), "keys.refresh_after"),
        (format!("{after}refresh_window = '01:00'\n{both}"), "refresh_window"),
    ] {
        check_refused(of(&text), "CONFIG_INVALID_VALUE", names);
    }
}

#[test]
fn a_window_is_a_part_of_each_day_and_may_go_past_midnight() {
    let open = |window: &str, hour: u64, minute: u64| {
        let window = Window::try_from(window.to_owned()).unwrap();
        let now = 20_000 * 86_400 + hour * 3_600 + minute * 60;
        window.opened(WallTime(now)).map(|opened| (now - opened.0) / 60)
    };
    for (window, hour, minute, since) in [
        ("02:00-04:30", 2, 0, Some(0)),
        ("02:00-04:30", 4, 29, Some(149)),
        ("02:00-04:30", 1, 59, None),
        ("02:00-04:30", 4, 30, None),
        ("23:00-01:00", 23, 0, Some(0)),
        ("23:00-01:00", 0, 59, Some(119)),
        ("23:00-01:00", 22, 59, None),
        ("23:00-01:00", 1, 0, None),
        ("00:00-24:00", 0, 0, Some(0)),
        ("00:00-24:00", 23, 59, Some(1439)),
    ] {
        assert_eq!(open(window, hour, minute), since, "{window} {hour}:{minute}");
    }
    for wrong in [
        "",
        "2:00-04:00",
        "02:00",
        "02:00-02:00",
        "02:60-03:00",
        "25:00-03:00",
        "02:00-24:01",
        "+2:00-03:00",
        "02:00-03:00:00",
    ] {
        assert!(Window::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}
