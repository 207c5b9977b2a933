;; Ends itself, as if all were well.
(func $attack (result i32) (call $exit (i32.const 0)) unreachable)
