//! What the watcher holds, tells and delivers; without a chain and an engine, whose answers are given.

use super::known::tests::{known, request};
use super::notice::Level;
use super::read::tests::{ACCOUNT, MANAGER, definition, event, scheduled};
use super::*;
use crate::watch::board::Since;

/// A watcher of nothing, with its ledger in this folder, and a webhook with room for so many.
fn watcher(folder: &Path, room: Option<usize>) -> (Watcher, Post, Option<mpsc::Receiver<Arc<Notice>>>) {
    let nobody = Endpoints::new(&["http://127.0.0.1:1/".parse().unwrap()], 1, Default::default());
    let (calls, _) = mpsc::channel(1);
    let watcher = Watcher::new(nobody, &Definition::new(definition()), &calls, &Arc::new(Metrics::new()));
    let (hook, notices) = room.map(mpsc::channel).unzip();
    let file = folder.join("watch.json");
    let ledger = Ledger::open(&file).unwrap().unwrap_or_else(|| Ledger::begin(&file, 10));
    (watcher, Post { ledger: Arc::new(Mutex::new(ledger)), hook }, notices)
}

/// An operation that our account has scheduled, in this block.
fn draft(known: &Known, block: u64) -> Draft {
    let event = Event { place: (block, 0), ..event(0, 1, MANAGER, &scheduled(ACCOUNT, 0x0b)) };
    let (definition, events) = (definition(), [event]);
    Scene { definition: &definition, known, leaving: None, events: &events }.draft(&events[0]).unwrap()
}

fn shown(watcher: &Watcher) -> Vec<(String, Level)> {
    let reader = watcher.board.read(Since::Start).unwrap();
    reader.before.iter().map(|notice| (notice.kind.clone(), notice.level)).collect()
}

#[tokio::test]
async fn what_no_request_explains_is_held_for_a_while_and_never_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (mut watcher, post, _) = watcher(folder.path(), None);
    let known = known();
    watcher.consider(&post, draft(&known, 100), &known, 1_000);
    post.ledger().has_read(200);
    for _ in 0..LOOKS {
        watcher.look_again(&post, &known);
        assert_eq!((shown(&watcher), post.ledger().floor()), (Vec::new(), 99), "a restart finds it again");
    }
    watcher.look_again(&post, &known);
    let alarm = vec![("unknown_operation".to_owned(), Level::Alarm)];
    assert_eq!((shown(&watcher), watcher.held.len(), post.ledger().floor()), (alarm.clone(), 0, 200));
    assert!(watcher.metrics.render().contains("firn_alarms_total{kind=\"unknown_operation\"} 1"));
    post.ledger().save().unwrap();

    // Another process sees it again in the blocks that are read once more: it is shown, and neither held nor counted.
    let (mut again, post, mut hook) = self::watcher(folder.path(), Some(4));
    again.consider(&post, draft(&known, 100), &known, 1_000);
    assert_eq!((shown(&again), again.held.len()), (alarm, 0));
    assert!(hook.as_mut().unwrap().try_recv().is_err());
    assert!(again.metrics.render().contains("firn_alarms_total{kind=\"unknown_operation\"} 0"));
}

#[tokio::test]
async fn what_a_request_explains_that_comes_late_is_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let (mut watcher, post, _) = watcher(folder.path(), None);
    let mut known = known();
    watcher.consider(&post, draft(&known, 100), &known, 1_000);
    watcher.look_again(&post, &known);
    known.operations.insert(B256::repeat_byte(0x0b), request(3));
    watcher.look_again(&post, &known);
    assert_eq!(shown(&watcher), [("operation_scheduled".to_owned(), Level::Info)]);
    assert_eq!(
        (watcher.held.len(), watcher.board.read(Since::Start).unwrap().before[0].request.clone()),
        (0, Some(request(3).to_string()))
    );
}

#[tokio::test]
async fn a_webhook_that_takes_nothing_stops_nobody_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut watcher, post, hook) = watcher(folder.path(), Some(1));
    let (mut hook, mut known) = (hook.unwrap(), known());
    known.operations.insert(B256::repeat_byte(0x0b), request(3));
    for block in [100, 110, 120] {
        watcher.consider(&post, draft(&known, block), &known, 1_000);
    }
    post.ledger().has_read(400);
    let floor = post.ledger().floor();
    assert_eq!((shown(&watcher).len(), floor, post.make_room()), (3, 99, None));
    let first = hook.try_recv().unwrap();
    post.ledger().delivered(first.id.0);
    watcher.consider(&post, draft(&known, 130), &known, 1_000);
    assert!(hook.try_recv().is_err(), "not before those that were missed");
    let floor = post.ledger().floor();
    assert_eq!((floor, post.make_room()), (109, Some(110)), "they are read again");
    for block in [110, 120] {
        watcher.consider(&post, draft(&known, block), &known, 1_000);
    }
    assert_eq!((first.block, hook.try_recv().unwrap().block), (100, 110));
    assert_eq!(shown(&watcher).len(), 4, "each is shown once");
}
