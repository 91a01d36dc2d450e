//! See `towline_fuzz::trace_context`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towline_fuzz::trace_context::check(data));
