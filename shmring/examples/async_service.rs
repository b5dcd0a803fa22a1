//! A service in tokio: takes samples from three rings, and sends each as a line to all its TCP
//! clients. It ends when all rings have ended, or with Ctrl-C; clients get what was taken before.

use std::error::Error;
use std::process::{Command, id};
use std::{env, pin::pin};

use futures_util::StreamExt;
use shmring::{AsyncConsumer, Config, Segment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::{sync::broadcast, task::JoinSet};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    if env::args().len() > 1 {
        return env::args().skip(1).try_for_each(|name| sense(&name));
    }
    let names = [1, 2, 3].map(|sensor| format!("sensor-{sensor}-{}", id()));
    let (mut guards, mut consumers) = (Vec::new(), Vec::new());
    for name in &names {
        let segment = Segment::create(name, &Config::spsc())?;
        guards.push(segment.unlink_on_drop());
        consumers.push(segment.consumer()?.into_async()?);
    }
    let mut sensors = Command::new(env::current_exe()?).args(&names).spawn()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    serve(listener, consumers).await?;
    let mut lines = String::new();
    client.read_to_string(&mut lines).await?;
    println!("{} samples from {} rings", lines.lines().count(), names.len());
    assert!(sensors.wait()?.success());
    Ok(())
}

/// The service: a task for each ring, and one for each client. It begins with the first client.
async fn serve(listener: TcpListener, consumers: Vec<AsyncConsumer>) -> Result<(), Failure> {
    let (samples, _) = broadcast::channel(1024);
    let (mut rings, mut clients) = (JoinSet::new(), JoinSet::new());
    clients.spawn(write(listener.accept().await?.0, samples.subscribe()));
    for mut consumer in consumers {
        let samples = samples.clone();
        rings.spawn(async move {
            consumer.use_io_driver()?;
            while let Some(sample) = consumer.next().await {
                let _number_of_clients = samples.send(sample?);
            }
            Ok::<_, Failure>(())
        });
    }
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            client = listener.accept() => drop(clients.spawn(write(client?.0, samples.subscribe()))),
            ended = rings.join_next() => match ended { Some(ended) => ended??, None => break },
            _ = &mut interrupt => break,
        }
    }
    // A future that is dropped has taken nothing: the rest stays in the rings.
    rings.shutdown().await;
    drop(samples);
    clients.join_all().await.into_iter().collect()
}

async fn write(mut to: TcpStream, mut from: broadcast::Receiver<Vec<u8>>) -> Result<(), Failure> {
    while let Ok(sample) = from.recv().await {
        to.write_all(&sample).await?;
    }
    Ok(())
}

/// A sensor, in another process: here one for all of them.
fn sense(name: &str) -> Result<(), Failure> {
    let mut producer = Segment::attach(name)?.producer()?;
    (0..100).try_for_each(|sample| Ok(producer.send(format!("{name}: {sample}\n").as_bytes())?))
}
