//! The signals that end a node in order.

use crate::failure::Failure;
use tokio::sync::watch;

/// Hears SIGTERM and Ctrl-C as long as the process lives, also between two versions of the definition.
pub(super) fn told_to_stop() -> Result<watch::Receiver<bool>, Failure> {
    let (tell, told) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::general("RUNTIME", error.to_string()))?;
    let listen = move || {
        runtime.block_on(shutdown());
        tell.send_replace(true);
    };
    let thread = std::thread::Builder::new().name("firn-signals".to_owned()).spawn(listen);
    thread.map_err(|error| Failure::general("THREAD", error.to_string()))?;
    Ok(told)
}

async fn shutdown() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
