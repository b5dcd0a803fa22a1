//! Lengths of messages: known to the compiler, as in a program that sends one type, or not.

pub(crate) trait Length: Copy {
    fn bytes(self) -> usize;
}

#[derive(Clone, Copy)]
pub(crate) struct Fixed<const BYTES: usize>;

impl<const BYTES: usize> Length for Fixed<BYTES> {
    #[inline(always)]
    fn bytes(self) -> usize {
        BYTES
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Runtime(pub(crate) usize);

impl Length for Runtime {
    #[inline(always)]
    fn bytes(self) -> usize {
        self.0
    }
}
