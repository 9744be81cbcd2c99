console.log("f2b");
