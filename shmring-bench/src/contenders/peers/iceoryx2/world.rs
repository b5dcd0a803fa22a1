//! A name space of iceoryx2 for one run.

use std::fs;
use std::path::PathBuf;

use iceoryx2::prelude::{
    Config, FileName, LogLevel, Node, NodeBuilder, Path, SemanticString, ServiceName, ipc,
    set_log_level,
};

use crate::contender::BoxError;
use crate::name::unused;

/// Files in a directory, and shared memory whose names begin alike. The ends remove what they made
/// as they close; dropping this removes what killed ends left.
pub(crate) struct World(String);

impl World {
    /// A name space that was not used before.
    pub(crate) fn new(name_prefix: &str) -> World {
        World(unused(name_prefix))
    }

    /// What ends need to enter it.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(root(&self.0));
        let prefix = prefix(&self.0);
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Where its files are, sockets among them, whose paths must be short.
fn root(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

/// How all its names begin: with the part of the run's name that no other has.
fn prefix(name: &str) -> String {
    format!("shmring-{}_", name.rsplit('-').next().unwrap_or(name))
}

/// Enters the world of that name.
pub(crate) fn enter(world: &str) -> Result<Node<ipc::Service>, BoxError> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.prefix = FileName::new(prefix(world).as_bytes())?;
    let root = root(world);
    config.global.set_root_path(&Path::new(root.as_os_str().as_encoded_bytes())?);
    Ok(NodeBuilder::new().config(&config).create::<ipc::Service>()?)
}

/// The name of a service of a run that has several, or one.
pub(crate) fn service_name(number: usize) -> Result<ServiceName, BoxError> {
    Ok(ServiceName::new(&format!("run-{number}"))?)
}
