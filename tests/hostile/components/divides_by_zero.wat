;; Divides by zero.
(func $attack (result i32) (i32.div_u (i32.const 1) (i32.load (i32.const 60000))))
