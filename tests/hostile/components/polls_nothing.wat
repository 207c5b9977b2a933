;; Polls an empty list.
(func $attack (result i32)
    (call $poll (i32.const 16384) (i32.const 0) (i32.const 3072))
    unreachable)
