//! Lengths of messages: known to the compiler, as in a program that sends one type, or not.

pub(super) trait Length: Copy {
    fn bytes(self) -> usize;
}

#[derive(Clone, Copy)]
pub(super) struct Fixed<const BYTES: usize>;

impl<const BYTES: usize> Length for Fixed<BYTES> {
    #[inline(always)]
    fn bytes(self) -> usize {
        BYTES
    }
}

#[derive(Clone, Copy)]
pub(super) struct Runtime(pub(super) usize);

impl Length for Runtime {
    #[inline(always)]
    fn bytes(self) -> usize {
        self.0
    }
}
