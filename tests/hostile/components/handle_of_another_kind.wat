;; Waits for its output as if it were a timer.
(func $attack (result i32)
    (drop (call $timer (i64.const 0)))
    (call $block (call $stdout))
    unreachable)
