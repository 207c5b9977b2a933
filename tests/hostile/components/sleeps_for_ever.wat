;; Asking for a credential makes the call effectful: its clock is the machine's.
(func (export "never") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))
;; Sleeps until the end of time.
(func $attack (result i32)
    (call $block (call $timer (i64.const -1)))
    unreachable)
