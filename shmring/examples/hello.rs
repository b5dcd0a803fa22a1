//! Hello from one process to another, and an answer.
//!
//! The program makes two rings and starts itself once more; each process is the producer of
//! one ring and the consumer of the other.

use std::env;
use std::error::Error;
use std::process::{Command, id};
use std::time::Duration;

use shmring::{Config, Segment};

fn main() -> Result<(), Box<dyn Error>> {
    // The child is told the names.
    if let [_, questions, answers] = &env::args().collect::<Vec<_>>()[..] {
        return answer(questions, answers);
    }
    let (questions, answers) = (format!("questions-{}", id()), format!("answers-{}", id()));
    let result = ask(&questions, &answers);
    // The names are files in /dev/shm, which outlive whoever made them.
    Segment::unlink(&questions)?;
    Segment::unlink(&answers)?;
    result
}

/// The parent: makes the rings, sends, and receives the answer.
fn ask(questions: &str, answers: &str) -> Result<(), Box<dyn Error>> {
    // Record rings: one producer, one consumer, messages of any length.
    let mut producer = Segment::create(questions, &Config::spsc())?.producer()?;
    let mut consumer = Segment::create(answers, &Config::spsc())?.consumer()?;

    let mut child = Command::new(env::current_exe()?).args([questions, answers]).spawn()?;
    producer.send(format!("hello from process {}", id()).as_bytes())?;
    // Dropping the last producer ends the stream, as closing a pipe does.
    drop(producer);

    let answer = String::from_utf8(consumer.recv_timeout(Duration::from_secs(10))?)?;
    println!("{answer}");
    assert_eq!(answer, format!("process {} got: hello from process {}", child.id(), id()));
    assert!(child.wait()?.success());
    Ok(())
}

/// The child: attaches by name, and answers until the stream ends.
fn answer(questions: &str, answers: &str) -> Result<(), Box<dyn Error>> {
    let mut consumer = Segment::attach(questions)?.consumer()?;
    let mut producer = Segment::attach(answers)?.producer()?;
    for message in consumer.iter() {
        let message = String::from_utf8(message?)?;
        producer.send(format!("process {} got: {message}", id()).as_bytes())?;
    }
    Ok(())
}
