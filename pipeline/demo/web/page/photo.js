// A picture as a source: {kind, name, width, height, faces, draw(), json(), stop()}.
import { scaled } from "./faces.js";

export class Photo {
  kind = "picture";
  moving = false;

  // whole: the picture is one face already
  static async open(engine, file, whole) {
    const photo = new Photo();
    photo.name = file.name;
    photo.file = file;
    photo.bitmap = await createImageBitmap(file).catch(() => {
      throw new Error("This is not a picture that can be read. Is the file complete?");
    });
    await photo.read(engine, whole);
    photo.address = URL.createObjectURL(file);
    return photo;
  }

  async read(engine, whole) {
    this.faces = scaled(await engine.picture(this.file, this.bitmap, whole), this.width);
    this.whole = whole;
  }

  get width() { return this.bitmap.width; }
  get height() { return this.bitmap.height; }
  draw(context, width, height) { context.drawImage(this.bitmap, 0, 0, width, height); }
  json() { return { width: this.width, height: this.height, faces: this.faces }; }

  stop() {
    URL.revokeObjectURL(this.address);
    this.bitmap.close();
  }
}
