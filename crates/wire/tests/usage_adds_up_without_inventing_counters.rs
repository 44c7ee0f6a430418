use wire::Usage;

fn usage(input: u64, output: u64, read: Option<u64>, write: Option<u64>) -> Usage {
    Usage { input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write }
}

fn sum(steps: &[Usage]) -> Usage {
    let mut sum = Usage::default();
    steps.iter().for_each(|step| sum.add(step));
    sum
}

#[test]
fn a_cache_counter_is_there_once_a_step_reported_it() {
    assert_eq!(sum(&[]), usage(0, 0, None, None));
    assert_eq!(sum(&[usage(1, 2, None, None), usage(3, 4, None, None)]), usage(4, 6, None, None));
    assert_eq!(sum(&[usage(1, 2, Some(0), None), usage(3, 4, None, Some(5))]), usage(4, 6, Some(0), Some(5)));
    assert_eq!(
        sum(&[usage(1, 2, Some(1), Some(2)), usage(3, 4, Some(3), None)]),
        usage(4, 6, Some(4), Some(2))
    );
}

#[test]
fn a_provider_that_reports_nonsense_does_not_wrap_the_sum() {
    let most = usage(u64::MAX, u64::MAX, Some(u64::MAX), None);
    assert_eq!(sum(&[most, usage(1, 1, Some(1), None)]), most);
}
