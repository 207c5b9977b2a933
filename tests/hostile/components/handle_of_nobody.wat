;; Waits for a handle that it was never given.
(func $attack (result i32) (call $block (i32.const 77)) unreachable)
