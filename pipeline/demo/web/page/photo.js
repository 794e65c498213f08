// A picture as a source: {kind, name, width, height, faces, draw(), json(), stop()}.
import { scaled } from "./faces.js";

export class Photo {
  kind = "picture";
  moving = false;

  static async open(engine, file) {
    const photo = new Photo();
    photo.name = file.name;
    photo.bitmap = await createImageBitmap(file).catch(() => {
      throw new Error("This is not a picture that can be read. Is the file complete?");
    });
    const answer = await engine.picture(file, photo.bitmap);
    photo.faces = scaled(answer, photo.width);
    photo.address = URL.createObjectURL(file);
    return photo;
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
