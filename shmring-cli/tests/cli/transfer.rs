//! What goes in comes out.

use crate::support::{Name, noise, run, run_with, seq, start, start_with};

// Catches lost, doubled, reordered or merged lines, and a receiver that does not
// end by itself.
#[test]
fn lines_arrive_as_they_were() {
    let name = Name::with_ring("64K");
    let input = seq(1, 300_000);
    let send = start_with(&["send", &name.0], input.clone());
    let received = run(&["recv", &name.0]).expect_code(0);
    send.end().expect_code(0);
    assert!(received.stdout == input, "the output differs from the input");
    assert_eq!(received.stderr, "");
}

// Catches bytes changed or lost in chunks, where pads and wraps are frequent.
#[test]
fn chunks_arrive_as_they_were() {
    let name = Name::with_ring("256K");
    let input = noise((16 << 20) + 4321);
    let send = start_with(&["send", &name.0, "--bytes", "64K"], input.clone());
    let received = run(&["recv", &name.0, "--raw"]).expect_code(0);
    send.end().expect_code(0);
    assert!(received.stdout == input, "the output differs from the input");
    assert_eq!(name.facts()["messages_received"], 257);
}

// Catches message boundaries that depend on content, and lost empty messages.
#[test]
fn length_prefixed_messages_keep_their_boundaries() {
    let name = Name::with_ring("64K");
    let mut input = Vec::new();
    for len in [0_u32, 1, 7, 8, 9, 4096, 0, 32_752, 3, 30_000, 32_752] {
        input.extend(len.to_le_bytes());
        input.extend(noise(len as usize));
    }
    let send = start_with(&["send", &name.0, "--length-prefixed"], input.clone());
    let received = run(&["recv", &name.0, "--length-prefixed"]).expect_code(0);
    send.end().expect_code(0);
    assert!(received.stdout == input, "the output differs from the input");
}

// Catches empty lines that vanish and a last line that is lost or merged.
#[test]
fn empty_lines_and_a_last_line_without_newline() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], b"one\n\n\nlast").expect_code(0);
    assert_eq!(name.drain(), b"one\n\n\nlast\n");
}

// Catches a receiver that waits for ever for a stream without messages.
#[test]
fn an_empty_stream_ends() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], b"").expect_code(0);
    assert_eq!(name.drain(), b"");
}

// Catches `attach --send` and `attach --recv` that differ from `send` and `recv`,
// or that put their talk among the data.
#[test]
fn attach_moves_lines_as_well() {
    let name = Name::with_ring("64K");
    let input = seq(1, 20_000);
    let send = start_with(&["attach", &name.0, "--send"], input.clone());
    let received = run(&["attach", &name.0, "--recv"]).expect_code(0);
    send.end().expect_code(0);
    assert!(received.stdout == input, "the output differs from the input");
    assert!(received.stderr.contains("attached"));
}

// Catches complete lines that are held back until more input comes, and
// incomplete ones that are not.
#[test]
fn an_interactive_line_goes_at_once() {
    let name = Name::with_ring("4K");
    let mut send = start(&["send", &name.0]);
    let mut recv = start(&["recv", &name.0]);
    send.write(b"first\nsec");
    assert_eq!(recv.read(6), b"first\n");
    send.write(b"ond\nthird\n");
    assert_eq!(recv.read(13), b"second\nthird\n");
    assert_eq!(send.child.try_wait().expect("wait"), None, "stdin is open");
    send.end().expect_code(0);
    assert_eq!(recv.end().expect_code(0).text(), "");
}

// Catches partial or later messages sent after a refused one, and an error that
// does not tell which line, how long, and how long it may be.
#[test]
fn an_over_long_line_ends_the_transfer() {
    let name = Name::with_ring("4K");
    let mut input = seq(1, 3);
    input.extend(vec![b'x'; 2033]);
    input.extend(b"\nafter\n");
    let ended = run_with(&["send", &name.0], &input).expect_code(1);
    let ended = ended.expect_stderr("line 4 ").expect_stderr("2033").expect_stderr("2032");
    assert_eq!(ended.stdout, b"");
    assert_eq!(name.drain(), seq(1, 3));
}

// Catches a length that counts only what the buffer held.
#[test]
fn a_line_beyond_all_buffers_is_measured() {
    let name = Name::with_ring("4K");
    let mut input = seq(1, 3);
    input.extend(vec![b'x'; 3_000_000]);
    run_with(&["send", &name.0], &input)
        .expect_code(1)
        .expect_stderr("line 4 ")
        .expect_stderr("3000000");
    assert_eq!(name.drain(), seq(1, 3));
}

// Catches an off-by-one at the ring's limit.
#[test]
fn the_longest_message_fits() {
    let name = Name::with_ring("4K");
    let line = [vec![b'x'; 2032], vec![b'\n']].concat();
    run_with(&["send", &name.0], &line).expect_code(0);
    assert_eq!(name.drain(), line);
    let refused = run_with(&["send", &name.0, "--bytes", "2033"], b"short").expect_code(1);
    refused.expect_stderr("2033").expect_stderr("2032");
}

// Catches a cut-off record that passes as a whole one.
#[test]
fn a_cut_off_record_is_not_sent() {
    let name = Name::with_ring("4K");
    let send = ["send", &name.0, "--length-prefixed"];
    run_with(&send, b"\x02\0\0\0ab\x05\0\0\0abc").expect_code(1).expect_stderr("3 of 5 bytes");
    assert_eq!(name.drain(), b"ab\n");
    run_with(&send, b"\x02\0\0\0ab\x05\0").expect_code(1).expect_stderr("message 2");
    run_with(&send, b"\xff\xff\xff\xff").expect_code(1).expect_stderr("4294967295");
}

// Catches messages consumed beyond the count.
#[test]
fn count_takes_exactly_so_many() {
    let name = Name::with_ring("64K");
    run_with(&["send", &name.0], &seq(1, 10)).expect_code(0);
    assert_eq!(run(&["recv", &name.0, "--count", "3"]).expect_code(0).stdout, seq(1, 3));
    assert_eq!(run(&["recv", &name.0, "--count", "1"]).expect_code(0).stdout, seq(4, 4));
    assert_eq!(run(&["recv", &name.0, "--count", "0"]).expect_code(0).stdout, b"");
    assert_eq!(name.facts()["messages_received"], 4);
    assert_eq!(run(&["recv", &name.0, "--count", "100"]).expect_code(0).stdout, seq(5, 10));
}

// Catches a count that waits for more than it wants.
#[test]
fn count_ends_while_the_sender_goes_on() {
    let name = Name::with_ring("64K");
    let mut send = start(&["send", &name.0]);
    send.write(b"one\ntwo\n");
    assert_eq!(run(&["recv", &name.0, "--count", "2"]).expect_code(0).text(), "one\ntwo\n");
}

// Catches a receiver that takes the end of the stream before for the end of its own.
#[test]
fn a_ring_carries_one_stream_after_the_other() {
    let name = Name::with_ring("64K");
    for _ in 0..2 {
        let recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        run_with(&["send", &name.0], &seq(1, 1000)).expect_code(0);
        assert_eq!(recv.end().expect_code(0).stdout, seq(1, 1000));
    }
}

// Catches a segment that is only found when it exists before its users start.
#[test]
fn both_sides_can_wait_for_the_segment() {
    let name = Name::new();
    let send = start_with(&["send", &name.0, "--wait", "60s"], seq(1, 100));
    let recv = start(&["recv", &name.0, "--wait", "60s"]);
    run(&["create", &name.0]).expect_code(0);
    assert_eq!(recv.end().expect_code(0).stdout, seq(1, 100));
    send.end().expect_code(0);
}
