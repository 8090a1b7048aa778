//! Sample data that remembers: one JSON file per server under `<data>/mock/`, so that effects can
//! be counted and a later process sees them.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use task::Server;

use crate::outcome::Failure;

/// The state of one mock. Cheap to clone.
pub(crate) struct Store<T> {
    path: Arc<PathBuf>,
    seed: fn() -> T,
}

// Derived, it would ask for `T: Clone`.
impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), seed: self.seed }
    }
}

/// Why sample data cannot be used.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("sample data in {path} does not decode ({source}); remove the file to start afresh", path = path.display())]
    Decode {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::none(error.to_string())
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Store<T> {
    /// The store of `server`; it begins with what `seed` gives.
    pub(crate) fn new(data: &Path, server: Server, seed: fn() -> T) -> Self {
        Self { path: Arc::new(data.join("mock").join(format!("{server}.json"))), seed }
    }

    /// Looks at the state.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let store = self.clone();
        blocking(move || look(&store.load()?)).await
    }

    /// Changes the state; what fails changes nothing. Other processes wait for their turn.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let store = self.clone();
        blocking(move || {
            let _turn = store.lock()?;
            let mut state = store.load()?;
            let result = change(&mut state)?;
            // The new file may be in place although its durability could not be had.
            store.save(&state).map_err(|e| Failure::unknown(e.to_string()))?;
            Ok(result)
        })
        .await
    }

    fn load(&self) -> Result<T, StoreError> {
        let path = self.path.as_path();
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StoreError::Decode { path: path.to_owned(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((self.seed)()),
            Err(source) => Err(StoreError::File { action: "failed to read", path: path.to_owned(), source }),
        }
    }

    /// Taken for one change; released when dropped, also by a crash.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.path.with_extension("lock");
        let failed = |source| StoreError::File { action: "failed to lock", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Replaces the file durably. Only called under the lock, so the temporary's name is free.
    fn save(&self, state: &T) -> Result<(), StoreError> {
        let path = self.path.as_path();
        let temporary = path.with_extension("new");
        let write = || {
            let mut file =
                File::options().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
            fault::reach("sample.write")?;
            file.write_all(&serde_json::to_vec_pretty(state)?)?;
            file.sync_all()?;
            fault::reach("sample.rename")?;
            std::fs::rename(&temporary, path)?;
            fault::reach("sample.fsync_dir")?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|source| StoreError::File {
            action: "failed to write",
            path: path.to_owned(),
            source,
        })
    }
}

/// Runs file work off the runtime.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Failure> + Send + 'static,
) -> Result<R, Failure> {
    match tokio::task::spawn_blocking(fault::inherit(work)).await {
        Ok(result) => result,
        Err(error) => Err(Failure::unknown(format!("the tool's work ended early: {error}"))),
    }
}
